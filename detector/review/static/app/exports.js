// The tables, brought up to what people said, by one button.

import { post } from "./api.js";
import { ask, el, says, state } from "./shared.js";

export function askExport() {
  const boxes = state.exports.map((one) =>
    el(
      "label",
      { class: "radio" },
      el("input", { type: "checkbox", name: "format", value: one.name, checked: one.there && !one.slow }),
      ` ${one.summary}`,
      one.there ? (one.old ? " – is there, older than what was said" : " – is there") : "",
      one.slow ? " (takes long)" : "",
    ),
  );
  const written = el("p", { role: "status", id: "written" });
  const button = el("button", { type: "submit", id: "write" }, "Write");
  const form = el(
    "form",
    {},
    el("fieldset", {}, el("legend", {}, "What to write, beside the store"), boxes),
    button,
    written,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    written.replaceChildren("Counting anew, then writing …");
    try {
      const formats = new FormData(form).getAll("format");
      const answer = await post("/api/export", { formats });
      state.exports = answer.exports;
      written.replaceChildren("Written: ", el("bdi", {}, answer.written.join(", ")));
      says("The tables are written.");
    } catch (problem) {
      written.replaceChildren(problem.message);
    }
    button.disabled = false;
  });
  ask("Tables", form);
}
