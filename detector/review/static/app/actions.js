// The bar of what can be said, and the keys that say it.

import { chosen, columns, focus, grid, nextPage, selectAll, selectNone, selectTo, toggle } from "./grid.js";
import { acceptAll, askDetails, mark, markGenus, undo } from "./marks.js";
import { askName, nameOf } from "./names.js";
import { $, ask, counted, el, keyOf, nameNode, put, says, state } from "./shared.js";
import { isFiles } from "./side.js";
import { askVisit } from "./visit.js";

const inRepeats = () => state.filter.queue === "repeats";

// key, what it says, whether it is offered now, and what it does
const ACTIONS = [
  ["a", "Accept", "the name is right", () => !inRepeats(), () => mark("accept")],
  ["r", "Real", "it is no repeat", () => inRepeats(), () => mark("real")],
  ["n", "Name …", "search for a name; also /", () => true, () => askMark()],
  ["g", "Genus", "no further than the genus", () => !inRepeats(), () => markGenus()],
  ["b", "A bird", "of whatever species", () => true, () => mark("bird")],
  ["d", "Not a bird", "another animal", () => true, () => mark("animal")],
  ["x", "No animal", "there is nothing in the box", () => true, () => mark("nothing")],
  ["p", "Person", "", () => true, () => mark("person")],
  ["v", "Vehicle", "", () => true, () => mark("vehicle")],
  ["s", "Sex, age …", "and how many there are", () => !inRepeats(), () => askDetails()],
  ["e", "Visit …", "all birds at that place and time by one name", () => !inRepeats(), () => askVisit()],
];

// The pictures are those of the question, whatever others say meanwhile.
function askMark() {
  const cards = chosen();
  return cards.length ? askName((name) => mark("named", { name }, cards), cards) : says("Select pictures first.");
}

export function drawActions(open) {
  const bar = $("actions");
  bar.hidden = isFiles(state.filter.queue) || !grid.ids.length;
  if (bar.hidden) return;
  const cards = chosen();
  const button = ([key, text, hint]) =>
    el(
      "button",
      {
        type: "button",
        title: hint || null,
        "data-key": key,
        "aria-keyshortcuts": key,
        onclick: () => press(key, open),
      },
      text,
      el("kbd", {}, key.toUpperCase()),
    );
  put(
    "actions",
    el(
      "span",
      { class: `how-many ${grid.selected.size ? "" : "none"}` },
      grid.selected.size ? counted(grid.selected.size, "selected", "selected") : "the one in focus",
    ),
    ACTIONS.filter(([, , , offered]) => offered()).map(button),
    el(
      "button",
      { type: "button", "data-key": "Enter", disabled: cards.length !== 1, onclick: () => open(cards[0]) },
      "Look",
      el("kbd", {}, "⏎"),
    ),
    el(
      "button",
      { type: "button", "data-key": "all", onclick: acceptAll },
      inRepeats() ? "Leave all out …" : "Accept all …",
    ),
    el("span", { class: "last-used", id: "last-used" }, lastUsed()),
  );
}

const lastUsed = () =>
  state.recent.slice(0, 9).map((name, place) => {
    const node = el(
      "button",
      { type: "button", "aria-keyshortcuts": String(place + 1), onclick: () => mark("named", { name }) },
      el("span", {}, name),
      el("kbd", {}, String(place + 1)),
    );
    nameOf(name).then((found) =>
      node.firstChild.replaceChildren(nameNode({ ...found, display: found.english || found.name })),
    );
    return node;
  });

function press(key, open) {
  if (key === "Enter") return open(chosen()[0]);
  const found = ACTIONS.find(([own, , , offered]) => own === key && offered());
  return found?.[4]();
}

const MOVES = {
  ArrowRight: () => 1,
  ArrowLeft: () => -1,
  ArrowDown: () => columns(),
  ArrowUp: () => -columns(),
  Home: () => -grid.at,
  End: () => grid.ids.length - 1 - grid.at,
};

function onGrid(event, open) {
  const move = MOVES[event.key];
  if (move) {
    const to = Math.min(Math.max(grid.at + move(), 0), grid.ids.length - 1);
    if (event.shiftKey) selectTo(to);
    else {
      grid.anchor = to;
      focus(to);
    }
  } else if (event.key === " ") toggle(Math.max(grid.at, 0));
  else if (event.key === "Enter") open(state.cards.get(grid.ids[grid.at]));
  else return false;
  return true;
}

export function listenToKeys(open) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.target.closest("input, select, textarea")) return;
    const command = event.ctrlKey || event.metaKey;
    const letter = /^[a-z]$/i.test(keyOf(event)) ? keyOf(event).toLowerCase() : "";
    if (command && letter === "z") undo();
    else if (command && letter === "a" && grid.ids.length && !isFiles(state.filter.queue)) selectAll();
    else if (command || event.altKey) return;
    else if (event.key === "?") askHelp();
    else if (letter === "u") undo();
    else if (isFiles(state.filter.queue)) return;
    else if (event.key === "]") nextPage();
    else if (event.key === "Escape") selectNone();
    else if (event.target.closest(".pager") && (letter || /^[1-9]$/.test(event.key)))
      says("All on this page are done: ] brings the next pictures."); // it was meant for a picture that is not there yet
    else if (/^[1-9]$/.test(event.key)) {
      const name = state.recent[Number(event.key) - 1];
      if (name) mark("named", { name });
      else says("No name was used yet under this number.");
    } else if (event.key === "/") press("n", open);
    else if (event.target.closest("#grid, body") && (event.target === document.body || event.target.closest("#grid"))) {
      if (!onGrid(event, open)) {
        if (!letter || !press(letter, open)) return;
      }
    } else if (letter && !event.target.closest("#side, .top")) press(letter, open);
    else return;
    event.preventDefault();
  });
}

export function askHelp() {
  const rows = [
    ["Arrows", "move; with Shift, select"],
    ["Space", "select or unselect"],
    ["Ctrl A", "select all on the page"],
    ["Esc", "select none"],
    ["Enter", "look at the whole picture; draw and mend boxes"],
    ...ACTIONS.map(([key, text, hint]) => [
      key.toUpperCase(),
      hint ? `${text.replace(" …", "")}: ${hint}` : text.replace(" …", ""),
    ]),
    ["1 – 9", "the names that you used last; each keeps its key"],
    ["U, Ctrl Z", "take back what you said last, also of many pictures"],
    ["]", "the next pictures"],
    ["?", "this help"],
  ];
  ask(
    "Keys",
    el(
      "dl",
      { class: "keys" },
      rows.map(([key, text]) => el("div", {}, el("dt", {}, el("kbd", {}, key)), el("dd", {}, text))),
    ),
    el(
      "p",
      { class: "soft" },
      "What you say holds for all pictures of the same bird in a burst or video. Each mark is saved before the next; nothing is ever deleted, only taken back. ",
      "With the mouse: a click selects, Shift-click a row of pictures, Ctrl-click one more, a drag all that it touches, a double click looks.",
    ),
  );
}
