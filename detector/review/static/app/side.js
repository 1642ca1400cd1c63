// What there is to look at, how much of it, and how long it may take.

import { get } from "./api.js";
import { grid } from "./grid.js";
import { $, counted, duration, el, nameNode, number, put, state } from "./shared.js";

export const FILES = { blanks: "Blank files", failed: "Failed files" };

function queue({ key, title, hint, open }, choose) {
  return el(
    "li",
    {},
    el(
      "button",
      {
        type: "button",
        class: "queue",
        title: hint,
        "aria-current": state.filter.queue === key ? "page" : null,
        "data-queue": key,
        onclick: () => choose(key),
      },
      el("span", {}, title),
      el("b", {}, number(open)),
    ),
  );
}

const drawn = new Map(); // names by key, as they were drawn last: of hundreds a mark changes one or two

function guess(name, choose) {
  const looks = JSON.stringify([name, state.language]);
  if (drawn.get(name.key)?.looks !== looks) drawn.set(name.key, { looks, node: guessNode(name, choose) });
  return drawn.get(name.key).node;
}

function guessNode(name, choose) {
  return el(
    "li",
    {},
    el(
      "button",
      {
        type: "button",
        class: "queue",
        "data-name": name.key,
        onclick: () => choose(name.key),
      },
      el(
        "span",
        {},
        nameNode(name),
        name.events ? el("small", {}, ` ${counted(name.events, "event")}, most ${number(name.most)}`) : null,
      ),
      el("b", {}, number(name.open)),
    ),
  );
}

let seen = ""; // what the side shows, as it was drawn last

// Which name is chosen, where nothing else at the side has changed: hundreds of names are not laid out anew for that.
function press() {
  for (const button of $("side").querySelectorAll("[data-name]"))
    button.setAttribute("aria-pressed", String((button.dataset.name || null) === state.filter.name));
}

const isWide = () => matchMedia("(min-width: 64rem)").matches;

// What was chosen is what is to be seen: on a phone the list is folded away.
function folding(choose) {
  return (change) => {
    if (!isWide()) $("side").querySelector("details.fold").open = false;
    return choose(change);
  };
}

export const isFiles = (key) => key in FILES;

export function drawSide(chooseOne) {
  const choose = folding(chooseOne);
  const { queues, names, blanks, failed } = state.summary;
  const now = JSON.stringify([queues, names, blanks, failed, state.language, state.filter.queue]);
  if (now === seen) return press();
  seen = now;
  const focused = document.activeElement?.closest?.("#side")
    ? [document.activeElement.dataset.queue, document.activeElement.dataset.name]
    : null;
  const all = [
    ...queues,
    {
      key: "blanks",
      title: FILES.blanks,
      hint: "a random sample of files in which nothing was found",
      open: blanks.blank - blanks.looked,
    },
    { key: "failed", title: FILES.failed, hint: "files that could not be read", open: failed },
  ];
  put(
    "side",
    el(
      "details",
      {
        class: "fold",
        open: isWide() || $("side").querySelector("details.fold")?.open || null,
      },
      el("summary", {}, `${all.find((each) => each.key === state.filter.queue)?.title ?? ""}`),
      el("h2", {}, "Queues"),
      el(
        "ul",
        { class: "queues" },
        all.map((each) => queue(each, (key) => choose({ queue: key, name: null }))),
      ),
      isFiles(state.filter.queue) || !names.length
        ? null
        : [
            el("h2", {}, "Called"),
            el(
              "ul",
              { class: "queues names-list" },
              el(
                "li",
                {},
                el(
                  "button",
                  {
                    type: "button",
                    class: "queue",
                    "data-name": "",
                    onclick: () => choose({ name: null }),
                  },
                  el("span", {}, "All names"),
                ),
              ),
              names.map((name) => guess(name, (key) => choose({ name: key }))),
            ),
          ],
    ),
  );
  if (focused) {
    const node = [...$("side").querySelectorAll("button")].find(
      (each) => each.dataset.queue === focused[0] && each.dataset.name === focused[1],
    );
    node?.focus();
  }
  return press();
}

export function drawProgress() {
  const { queues, done, seconds, deciding, problem, blanks } = state.summary;
  const here = queues.find((each) => each.key === state.filter.queue);
  const parts = [];
  if (state.filter.queue === "blanks")
    parts.push(`${number(blanks.looked)} of ${number(blanks.blank)} blank files looked at`);
  else if (here && here.key !== "reviewed") {
    parts.push(`${number(here.open)} of ${number(here.open + done)} to go`);
    if (seconds && here.open) parts.push(duration(seconds));
  }
  put(
    "progress",
    here && here.key !== "reviewed" && here.open + done
      ? el("progress", { max: here.open + done, value: done, "aria-label": "Done" })
      : null,
    el("span", { id: "to-go" }, parts.join(", ")),
    problem
      ? el("span", { class: "badge attention" }, problem)
      : deciding
        ? el("span", { class: "soft counting" }, "counting anew …")
        : null,
  );
}

// The line above the pictures: what they are, in which order, from where.
export function drawHead(choose) {
  const { queues, names, places } = state.summary;
  const here = queues.find((each) => each.key === state.filter.queue);
  if (!here) return;
  const name = names.find((each) => each.key === state.filter.name);
  const select = (key, label, options) =>
    el(
      "label",
      {},
      label,
      el(
        "select",
        {
          "data-filter": key,
          onchange: (event) =>
            choose({
              [key]:
                event.target.value === "" ? null : key === "place" ? Number(event.target.value) : event.target.value,
            }),
        },
        options.map(([value, text]) =>
          el("option", { value, selected: String(state.filter[key] ?? "") === String(value) }, text),
        ),
      ),
    );
  const every = el("input", {
    type: "checkbox",
    checked: state.filter.every,
    "data-filter": "every",
    onchange: (event) => choose({ every: event.target.checked }),
  });
  const kept = document.activeElement?.dataset?.filter;
  put(
    "head",
    el(
      "h1",
      {},
      name ? nameNode(name) : here.title,
      " ",
      el("span", { class: "soft", id: "open-count" }, counted(grid.open, "picture")),
    ),
    el("p", { class: "soft" }, here.hint),
    el(
      "form",
      { class: "filters", onsubmit: (event) => event.preventDefault() },
      select("place", "Camera", [
        ["", "all"],
        ...places.map((place, index) => [index, `${place.name} (${number(place.open)})`]),
      ]),
      select("order", "Order", [
        ["alike", "least sure first, alike together"],
        ["unsure", "least sure first"],
        ["sure", "surest first"],
        ["time", "by time"],
        ["latest", "latest first"],
      ]),
      here.key === "repeats" ? null : el("label", { class: "check" }, every, " every picture of a bird"),
    ),
  );
  if (kept) $("head").querySelector(`[data-filter=${kept}]`)?.focus();
}

export async function readSummary() {
  const { queue, name, place, order, every } = state.filter;
  const asked = isFiles(queue) ? { queue: "all" } : { queue, name, place, order, every };
  state.summary = await get("/api/summary", { ...asked, reviewer: state.reviewer });
  for (const key of ["undo", "recent", "problem"]) state[key] = state.summary[key];
}
