// What all parts know: the state of the page, and how names, times and places read.

export const { breaking, el, svg, put, number, percent, counted } = window.hoopoe;

export const state = {
  reviewer: "",
  language: "english",
  filter: { queue: "review", name: null, place: null, order: "alike", every: false },
  cards: new Map(), // by id, those that are shown or were a moment ago
  files: new Map(),
  revision: 0,
  summary: null,
  recent: [],
  undo: null,
  blur: "people",
  exports: [],
};

export const $ = (id) => document.getElementById(id);

// Say something to everybody: on the screen for a while, and aloud to who listens. While a dialog is open nothing else
// is seen or heard, so that each has a place of its own for it.
let silence = 0;
export function says(text, tone = "") {
  const open = ["dialog", "viewer"].filter((id) => $(id).open);
  const nodes = [$("says"), ...open.slice(0, 1).map((id) => $(id).querySelector(".says"))];
  for (const node of nodes) {
    node.replaceChildren(text);
    node.className = `says shown ${tone}`;
  }
  clearTimeout(silence);
  silence = setTimeout(
    () => document.querySelectorAll(".says").forEach((node) => node.classList.remove("shown")),
    tone === "wrong" ? 9000 : 4500,
  );
}

const spoken = (text, hebrew, scientific) =>
  el("bdi", { lang: hebrew ? "he" : scientific ? "la" : null, class: scientific ? "scientific" : null }, text);

// A name in the language that the reader chose, as a node; what has none in it keeps what is shown to all.
export function nameNode(name) {
  if (state.language === "hebrew" && name.hebrew) return spoken(name.hebrew, true);
  if (state.language === "scientific" && name.name) return spoken(name.name, false, true);
  return spoken(name.display || name.english || name.name);
}
export const nameText = (name) => nameNode(name).textContent;

// Its other names, small.
export function otherNames(name) {
  const shown = nameText(name);
  const others = [name.english, name.name, name.hebrew].filter(
    (text, place, all) => text && text !== shown && all.indexOf(text) === place,
  );
  return others.map((text) => [spoken(text, text === name.hebrew, text === name.name && text !== name.english), " "]);
}

// Times are local to their camera: seconds since 1970 on its own clock, shown as they are.
export const moment = (seconds) => (seconds === null ? "time unknown" : window.hoopoe.moment(Math.floor(seconds / 60)));
export const placeName = (index) => state.summary?.places[index]?.name ?? "";

// The key that was pressed; a letter's also while another alphabet is on, by its place on the keyboard.
export const keyOf = (event) =>
  /^[^\u0000-\u007f]$/.test(event.key) && /^Key[A-Z]$/.test(event.code) ? event.code[3].toLowerCase() : event.key;

// Whether a person has spoken, or speaks just now.
export const isSaid = (card) => Boolean(card.reviewer || card.pending);

// How long something may take, as people say it.
export function duration(seconds) {
  const minutes = Math.round(seconds / 60);
  if (minutes < 1) return "less than a minute";
  if (minutes < 90) return `about ${counted(minutes, "minute")}`;
  return `about ${window.hoopoe.decimal(minutes / 60)} hours`;
}

// Ask one thing in the small dialog; what is shown is given back its focus when it closes.
export function ask(title, ...children) {
  const dialog = $("dialog");
  $("dialog-body").replaceChildren(
    el(
      "header",
      {},
      el("h2", { id: "dialog-title" }, title),
      el("button", { type: "button", onclick: () => dialog.close() }, "Close"),
    ),
    el("div", { class: "inside" }, children),
  );
  if (!dialog.open) dialog.showModal();
  return dialog;
}
