// Queues of whole files: a random sample of blank ones, and those that could not be read.

import { frameAddress, get } from "./api.js";
import { hooks, send } from "./marks.js";
import { breaking, counted, el, moment, number, percent, placeName, put, says, state } from "./shared.js";
import * as pictures from "./pictures.js";
import { openFile } from "./viewer.js";

const shown = { queue: "", from: null, ids: [], more: false, total: 0, next: 0, picked: new Set() };

export async function loadFiles(queue, from = null) {
  const answer = await get(queue === "blanks" ? "/api/blanks" : "/api/failed", { after: from });
  for (const file of answer.files) state.files.set(file.id, file);
  pictures.stop();
  const ids = answer.files.map((file) => file.id);
  const isAgain = ids.join() === shown.ids.join();
  shown.picked = new Set(ids.filter((id) => shown.picked.has(id))); // what is read again keeps its ticks
  Object.assign(shown, {
    queue,
    from,
    ids,
    more: answer.more,
    total: answer.total,
    next: answer.next,
  });
  if (state.summary && answer.missed) state.summary.blanks = answer.missed;
  drawFiles();
  if (!isAgain) window.scrollTo(0, 0);
}

export const readAgain = () => loadFiles(shown.queue, shown.from);

const STATES = { open: "", blank: "blank", missed: "a bird was missed", other: "no bird, but not blank" };

function fileCard(file) {
  const picked = shown.picked.has(file.id);
  const image = el("img", { decoding: "async", alt: "" });
  const holder = el("span", { class: "crop wide" }, image);
  image.addEventListener("error", () => {
    holder.classList.add("none");
    holder.replaceChildren("no picture: is the card there?");
  });
  pictures.show(image, frameAddress(file.media, file.frame, file.version, "thumb"));
  return el(
    "li",
    { class: `card file ${file.state}` },
    el(
      "button",
      {
        type: "button",
        class: "picture",
        "data-file": file.id,
        "aria-label": `Look at ${file.file}: ${STATES[file.state] || "nobody looked yet"}`,
        onclick: () => openFile(file.id),
      },
      holder,
    ),
    el(
      "span",
      { class: "badges" },
      file.video ? el("span", { class: "badge" }, `video, ${counted(file.frames.length, "frame")}`) : null,
      file.passed_over ? el("span", { class: "badge" }, `passed over: ${file.passed_over}`) : null,
    ),
    file.state === "open"
      ? el(
          "label",
          { class: "title check" },
          el("input", {
            type: "checkbox",
            checked: picked,
            "data-pick": file.id,
            onchange: (event) => pick(file.id, event.target.checked),
          }),
          " something is here",
        )
      : el("span", { class: `title ${file.state}` }, STATES[file.state]),
    el("span", { class: "soft" }, breaking(placeName(file.place))),
    el("span", { class: "soft" }, moment(file.time)),
  );
}

function pick(id, on) {
  if (on) shown.picked.add(id);
  else shown.picked.delete(id);
  put("confirm", confirmText());
}

const open = () => shown.ids.filter((id) => state.files.get(id).state === "open");

function confirmText() {
  const rest = open().filter((id) => !shown.picked.has(id)).length;
  return shown.picked.size ? `The other ${number(rest)} are blank` : `All ${number(rest)} are blank`;
}

function confirmBlank() {
  const rest = open().filter((id) => !shown.picked.has(id));
  if (!rest.length) return says("Nothing on this page is left to say.");
  return send({ say: "nothing", files: rest }, rest.length, "blank");
}

function estimate({ blank, looked, missed, share, low, high }) {
  if (!looked)
    return `${counted(blank, "file")} ${blank === 1 ? "is" : "are"} blank by the models. Look at some: how many birds were missed is estimated from those.`;
  const range = `${Math.round(100 * low)} to ${Math.round(100 * high)} %`;
  const files = `${number(Math.round(low * blank))} to ${number(Math.round(high * blank))}`;
  return `${number(missed)} of the first ${number(looked)} show a bird: ${percent(share)} of all ${counted(blank, "blank file")}, 95 % interval ${range} (Clopper-Pearson), that is ${files} files.`;
}

function blanks(files) {
  return [
    el("h1", {}, "Blank files"),
    el("p", { id: "missed", role: "status" }, estimate(state.summary?.blanks || { blank: 0, looked: 0 })),
    el(
      "p",
      { class: "soft" },
      "A random sample, in an order that stays. Tick those in which something is and say that the others are blank; then open the ticked ones and draw what was missed.",
    ),
    el(
      "p",
      { class: "pair" },
      el("button", { type: "button", id: "confirm", disabled: !open().length, onclick: confirmBlank }, confirmText()),
    ),
    files.length
      ? el("ol", { class: "grid files" }, files.map(fileCard))
      : el("p", { class: "empty" }, "There are no blank files."),
    shown.more
      ? el(
          "nav",
          { class: "pager", "aria-label": "Pages" },
          el(
            "button",
            { type: "button", id: "next", onclick: () => loadFiles("blanks", shown.ids.at(-1)) },
            "The next ones",
          ),
        )
      : null,
  ];
}

function failed(files) {
  const rows = files.map((file) => [el("bdi", {}, file.file), placeName(file.place), file.failure]);
  return [
    el("h1", {}, "Failed files ", el("span", { class: "soft" }, number(shown.total))),
    el(
      "p",
      { class: "soft" },
      "Nothing could be seen in them, and they are in no count. Copy them from the card again, then annotate again: only they are done.",
    ),
    rows.length
      ? window.hoopoe.table(["File", "Camera", "Reason"], rows, "Files that could not be read")
      : el("p", { class: "empty" }, "All files could be read."),
    shown.next < shown.total
      ? el(
          "nav",
          { class: "pager", "aria-label": "Pages" },
          el("button", { type: "button", id: "next", onclick: () => loadFiles("failed", shown.next) }, "The next ones"),
        )
      : null,
  ];
}

export function drawFiles() {
  const files = shown.ids.map((id) => state.files.get(id));
  const { file, pick: ticked } = document.activeElement?.dataset ?? {};
  put("head");
  put("body", shown.queue === "blanks" ? blanks(files) : failed(files));
  if (file || ticked) document.querySelector(file ? `[data-file="${file}"]` : `[data-pick="${ticked}"]`)?.focus();
}

hooks.estimate = () => {
  if (shown.queue === "blanks" && document.getElementById("missed")) put("missed", estimate(state.summary.blanks));
};
