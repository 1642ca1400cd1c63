// The whole picture: its boxes, what they may be and why, the frames of a video, and marks on the whole file.

import { frameAddress, get } from "./api.js";
import { Board } from "./board.js";
import { focus, grid, refresh } from "./grid.js";
import { drawn, hooks, markCards, send } from "./marks.js";
import { askName, nameOf } from "./names.js";
import {
  $,
  counted,
  el,
  isSaid,
  keyOf,
  moment,
  nameNode,
  nameText,
  number,
  otherNames,
  percent,
  placeName,
  says,
  state,
} from "./shared.js";

const now = { media: "", frame: 0, id: null, cards: [], file: null, said: [], board: null, drawn: [] };

const dialog = () => $("viewer");
const own = () => now.cards.find((card) => card.id === now.id) || null;

export const openViewer = (card) => card && open(card.media, card.frame, card.id);
export const openFile = (media) => open(media, state.files.get(media).frame, null);

async function open(media, frame, id) {
  if (media !== now.media) now.drawn = [];
  Object.assign(now, { media, frame, id });
  try {
    await read();
  } catch (problem) {
    return says(problem.message, "wrong");
  }
  draw();
  if (!dialog().open) dialog().showModal();
  return $("close-viewer").focus();
}

async function read() {
  Object.assign(now, await get("/api/file", { media: now.media }));
  now.drawn = now.drawn.filter((box) => !now.cards.some((card) => card.id === box.id));
  for (const card of now.cards) if (state.cards.has(card.id)) state.cards.set(card.id, card);
}

async function again() {
  try {
    await read();
  } catch (problem) {
    return says(problem.message, "wrong");
  }
  refresh(now.cards);
  return draw();
}

const facts = (card) =>
  [
    ["Why unsure", card.reasons.join(", ")],
    ["Detector", card.drawn_by ? "" : `${card.label}, ${percent(card.score)}`],
    ["Box by", card.drawn_by || ""],
    ["Said by", card.reviewer || ""],
    ["Sex, age", [card.sex, card.life_stage].filter(Boolean).join(", ")],
    ["Number", card.count > 1 ? number(card.count) : ""],
    ["Same bird", card.members > 1 ? `${number(card.members)} pictures` : ""],
    ["Repeat", card.group ? `stands in ${number(card.group.media)} files` : ""],
  ].filter(([, text]) => text);

const lines = (rows) =>
  el(
    "dl",
    { class: "lines" },
    rows.map(([term, text]) => el("div", {}, el("dt", {}, term), el("dd", {}, el("bdi", {}, text)))),
  );

const candidates = (card) =>
  window.hoopoe.candidates(card.candidates, (name) =>
    candidate(name),
  );

function candidate(name) {
  const node = el("bdi", {}, name);
  nameOf(name).then((found) => node.replaceChildren(nameNode({ ...found, display: found.english || found.name })));
  return el("button", { type: "button", class: "link", onclick: () => say("named", { name }) }, node);
}

const say = (word, more = {}) => {
  const card = own();
  return card ? markCards([card], word, more).then(again) : says("Choose a box first.");
};

function boxActions(card) {
  if (now.drawn.some((box) => box.id === now.id))
    return el("p", { class: "soft" }, "The new box is saved, and is being counted …");
  if (!card)
    return el(
      "p",
      { class: "soft" },
      now.cards.length ? "Click a box to say what it is." : "Nothing was found here. Draw what was missed.",
    );
  const button = (text, act, key) => el("button", { type: "button", onclick: act, "data-act": key }, text);
  return [
    el("p", { class: "soft" }, otherNames(card.name)),
    card.faint ? el("p", { class: "note" }, "Too faint to count, until somebody says what it is.") : null,
    candidates(card),
    el(
      "div",
      { class: "controls" },
      button("Accept", () => say("accept"), "accept"),
      button("Name …", () => askName((name) => say("named", { name }), [card]), "name"),
      button("A bird", () => say("bird"), "bird"),
      button("Not a bird", () => say("animal"), "animal"),
      button("No animal", () => say("nothing"), "nothing"),
      button("Person", () => say("person"), "person"),
      button("Vehicle", () => say("vehicle"), "vehicle"),
      button("Mend the box", () => now.board.mend(), "mend"),
    ),
    lines(facts(card)),
  ];
}

function fileActions() {
  const file = (word, words, more = {}) =>
    send({ say: word, files: [now.media], ...more }, 1, `whole file ${words}`).then(again);
  const button = (text, act) => el("button", { type: "button", onclick: act }, text);
  return el(
    "details",
    { class: "whole-file" },
    el("summary", {}, "The whole file"),
    el(
      "div",
      { class: "controls" },
      button("No animal in it", () => file("nothing", "no animal")),
      button("All by one name …", () =>
        askName((name) => file("named", name, { name }), now.cards.slice(0, 1), "What is in this file?"),
      ),
      button("Birds", () => file("bird", "birds")),
      button("People", () => file("person", "people")),
    ),
  );
}

function frames() {
  const { frames: numbers } = now.file;
  if (numbers.length < 2) return null;
  const at = numbers.indexOf(now.frame);
  const step = (by, text) =>
    el("button", { type: "button", disabled: !(at + by in numbers), onclick: () => goTo(numbers[at + by]) }, text);
  const withBoxes = new Set(now.cards.filter((card) => !card.faint && !card.suppressed).map((card) => card.frame));
  return el(
    "div",
    { class: "controls frames" },
    step(-1, "Earlier"),
    el("span", {}, `frame ${number(at + 1)} of ${number(numbers.length)}`),
    step(1, "Later"),
    el("span", { class: "soft" }, withBoxes.size ? `${counted(withBoxes.size, "frame")} with boxes` : "no boxes"),
  );
}

function goTo(frame) {
  now.frame = frame;
  now.id = now.cards.find((card) => card.frame === frame && !card.faint)?.id ?? null;
  draw();
}

function step(by) {
  const card = state.cards.get(grid.ids[grid.ids.indexOf(now.id) + by]);
  if (now.id && card) openViewer(card);
}

async function drew(xywh) {
  const base = { media: now.media, frame: now.frame, xywh };
  let told = false;
  const keep = async (more) => {
    told = true;
    const id = await drawn({ ...base, ...more });
    if (id) {
      now.id = id;
      now.drawn.push({ id, frame: now.frame, xywh });
    }
    await again();
  };
  await askName(
    (name) => keep({ say: "named", name }),
    now.cards.filter((card) => !card.faint),
    "What is in the new box?",
  );
  const plain = el(
    "p",
    { class: "controls" },
    [
      ["bird", "A bird"],
      ["animal", "Not a bird"],
      ["person", "Person"],
      ["vehicle", "Vehicle"],
    ].map(([word, text]) =>
      el(
        "button",
        {
          type: "button",
          "data-new": word,
          onclick: () => {
            keep({ say: word });
            $("dialog").close();
          },
        },
        text,
      ),
    ),
  );
  $("dialog").querySelector(".inside").append(plain);
  $("dialog").addEventListener("close", () => setTimeout(() => told || now.board.cancel()), { once: true });
}

async function mended(card, xywh) {
  await drawn({ media: card.media, frame: card.frame, box: card.box, xywh });
  await again();
}

function history() {
  if (!now.said.length) return null;
  return el(
    "details",
    {},
    el("summary", {}, `What people said of this file (${number(now.said.length)})`),
    el(
      "ul",
      { class: "history" },
      now.said
        .slice(0, 50)
        .map((word) =>
          el(
            "li",
            {},
            el("bdi", {}, word.reviewer),
            ": ",
            el("b", {}, el("bdi", {}, word.said)),
            word.comment ? [" – ", el("bdi", {}, word.comment)] : null,
            el("span", { class: "soft" }, ` ${word.at.replace("T", " ")} UTC`),
          ),
        ),
    ),
  );
}

function draw() {
  const card = own();
  const here = now.cards.filter((each) => each.frame === now.frame);
  const kept = document.activeElement?.dataset?.act;
  now.board = new Board({
    address: (size) => frameAddress(now.media, now.frame, now.file.version, size),
    alt: card ? `The whole picture, with a box around ${nameText(card.name)}` : "The whole picture",
    cards: here,
    drawn: now.drawn.filter((box) => box.frame === now.frame).map((box) => box.xywh),
    chosen: now.id,
    choose: (id) => {
      now.id = id;
      draw();
    },
    drew,
    mended: (xywh) => mended(own(), xywh),
  });
  $("viewer-body").replaceChildren(
    el(
      "header",
      {},
      el(
        "h2",
        { id: "viewer-title" },
        card ? nameNode(card.name) : el("bdi", {}, now.file.file),
        card && isSaid(card)
          ? el("span", { class: "sure" }, card.suppressed ? "no animal" : `by ${card.reviewer}`)
          : null,
      ),
      el(
        "div",
        { class: "pair" },
        el("button", { type: "button", onclick: () => step(-1), id: "before" }, "Before"),
        el("button", { type: "button", onclick: () => step(1), id: "after" }, "Next"),
        el("button", { type: "button", onclick: () => dialog().close(), id: "close-viewer" }, "Close"),
      ),
    ),
    el(
      "div",
      { class: "sides" },
      el("div", {}, now.board.controls(), now.board.node, frames()),
      el(
        "div",
        {},
        boxActions(card),
        lines(
          [
            ["Camera", placeName(now.file.place)],
            ["Time", moment(now.file.time)],
            ["File", now.file.file],
            ["Look", [now.file.failure, now.file.warning].filter(Boolean).join("; ")],
          ].filter(([, text]) => text),
        ),
        fileActions(),
        history(),
      ),
    ),
  );
  if (kept) dialog().querySelector(`[data-act=${kept}]`)?.focus();
  else if (dialog().open && document.activeElement === document.body) $("close-viewer").focus();
}

// On with the picture that was seen last: what is said next is of that one.
dialog().addEventListener("close", () => {
  if (now.id && $(`card-${now.id}`)) focus(grid.ids.indexOf(now.id));
});

// What other tabs said, and what was counted anew.
hooks.viewer = (answer) => {
  const here = answer.everything || (answer.cards || []).some((card) => card.media === now.media);
  if (dialog().open && here && now.board?.mode === "look" && !$("dialog").open) again();
};

document.addEventListener("keydown", (event) => {
  if (!dialog().open || $("dialog").open || event.target.closest("input, select") || event.ctrlKey || event.metaKey)
    return;
  if (now.board?.key(event)) return event.preventDefault();
  const acts = { a: "accept", x: "nothing", b: "bird", d: "animal", p: "person", v: "vehicle" };
  const key = keyOf(event).toLowerCase();
  if (event.key === "ArrowRight") step(1);
  else if (event.key === "ArrowLeft") step(-1);
  else if (acts[key] && own()) say(acts[key]);
  else if (key === "n" && own()) askName((name) => say("named", { name }), [own()]);
  else if (/^[1-9]$/.test(key) && own() && state.recent[key - 1]) say("named", { name: state.recent[key - 1] });
  else return undefined;
  return event.preventDefault();
});
