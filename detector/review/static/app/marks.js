// What people say: sent at once, shown when it is on the disk, and taken back.

import { post } from "./api.js";
import { chosen, grid, isDone, load, moveOn, refresh } from "./grid.js";
import { $, ask, counted, el, isSaid, nameText, number, says, state } from "./shared.js";

export const hooks = {
  summarise: () => {},
  viewer: () => {},
  files: () => {},
  estimate: () => {},
  everything: async () => {},
};

// What an answer says that has changed, also what another tab has said.
export async function take(answer) {
  state.revision = answer.revision;
  state.undo = answer.undo;
  state.recent = answer.recent;
  state.problem = answer.problem;
  for (const file of answer.files || []) state.files.set(file.id, file);
  if (answer.everything) await hooks.everything();
  else {
    refresh(answer.cards || []);
    hooks.files(answer.files || []);
  }
  hooks.viewer(answer);
  hooks.summarise();
}

// Who says it, and what the page shows: the answer tells also what others said since.
const who = () => ({ reviewer: state.reviewer, since: state.revision });

let saying = Promise.resolve();

// One thing after the other, in the order in which the keys were pressed.
function inTurn(act) {
  const done = saying.then(act);
  saying = done.catch(() => {});
  return done.catch((problem) => says(problem.message, "wrong"));
}

const WORDS = {
  accept: "accepted",
  bird: "a bird",
  animal: "not a bird",
  person: "person",
  vehicle: "vehicle",
  nothing: "no animal",
  real: "real, no repeat",
  noted: "noted",
};

const targets = (cards, word) =>
  state.filter.queue === "repeats" && cards.every((card) => card.group)
    ? { groups: cards.map((card) => card.group.id) }
    : {
        boxes: cards.map((card) => card.id),
        alone: state.filter.every,
        seen: word === "accept" ? cards.map((card) => card.name.key) : [],
      };

// Say something of the pictures that are selected, or of the one that has the focus.
export function mark(word, more = {}, cards = chosen()) {
  if (!cards.length) return says("Select pictures first.");
  // on at once: the next key is meant for the next picture, however long this one takes
  const waiting = word === "noted" ? [] : cards;
  refresh(waiting.map((card) => ({ ...state.cards.get(card.id), pending: true })));
  moveOn();
  return markCards(cards, word, more).then((done) => {
    if (!done) refresh(waiting.map((card) => ({ ...state.cards.get(card.id), pending: false })));
    return done;
  });
}

export function markCards(cards, word, more = {}) {
  return send({ say: word, ...targets(cards, word), ...more }, cards.length, more.name || WORDS[word]);
}

export function send(body, units, words) {
  return inTurn(async () => {
    const answer = await post("/api/mark", { ...who(), ...body });
    await take(answer);
    says(`${counted(units, "picture")}: ${words}. Saved.${isDone() ? " All on this page are done." : ""}`);
    return true;
  });
}

export function undo() {
  return inTurn(async () => {
    if (!state.undo) return says("There is nothing to take back.");
    const answer = await post("/api/undo", { ...who(), said: state.undo.said });
    await take(answer);
    return says(`Taken back: ${answer.undone}.`);
  });
}

export const drawn = (body) =>
  inTurn(async () => {
    const answer = await post("/api/draw", { ...who(), ...body });
    await take(answer);
    says("The box is saved.");
    return answer.box;
  });

// The genus of what is selected, if it is one.
export function markGenus() {
  const genera = new Set(
    chosen().map((card) => {
      const name =
        card.name.rank === "species" || card.name.rank === "genus" ? card.name.name : card.candidates[0]?.[0];
      return (name || "").split(" ")[0];
    }),
  );
  const [genus] = genera;
  if (genera.size !== 1 || !genus) return says("These are not of one genus: N searches for a name.", "wrong");
  return mark("named", { name: genus });
}

// All of the filter at once, after a question: what nobody has looked at is said, too.
export function acceptAll() {
  const shown = state.summary;
  const queue = shown.queues.find((each) => each.key === state.filter.queue);
  const name = shown.names.find((each) => each.key === state.filter.name);
  if (state.filter.queue !== "repeats" && !name)
    return says("Choose one name first, then all of it can be accepted.", "wrong");
  const word = state.filter.queue === "repeats" ? "nothing" : "accept";
  const open = grid.ids.filter((id) => !isSaid(state.cards.get(id)));
  const told = grid.open; // as many as the question says, however many there are when it is answered
  const onPage = () => {
    $("dialog").close();
    markCards(
      open.map((id) => state.cards.get(id)),
      word,
    ).then((done) => done && moveOn());
  };
  const every = () => {
    $("dialog").close();
    const { queue: key, name: guess, place, every: each, order } = state.filter;
    send(
      { say: word, all: { queue: key, name: guess, place, every: each, order, expected: told } },
      told,
      WORDS[word],
    ).then((done) => done && load());
  };
  const what = name ? nameText(name) : queue.title;
  return ask(
    word === "accept" ? `Accept: ${what}` : "Leave out all of these",
    el(
      "p",
      {},
      word === "accept"
        ? "You say of these pictures that their name is right. It can be taken back as a whole."
        : "You say of these things that they are no animals. It can be taken back as a whole.",
    ),
    el(
      "p",
      { class: "pair wide" },
      el(
        "button",
        { type: "button", disabled: !open.length, onclick: onPage },
        `The ${number(open.length)} on this page`,
      ),
      grid.more
        ? el(
            "button",
            { type: "button", class: "attention", onclick: every },
            `All ${number(told)}, also those that you did not see`,
          )
        : null,
    ),
  );
}

// Sex, age and number of what is selected.
export function askDetails() {
  const cards = chosen();
  if (!cards.length) return says("Select pictures first.");
  const choice = (name, label, values) =>
    el(
      "fieldset",
      {},
      el("legend", {}, label),
      ["", ...values].map((value) =>
        el(
          "label",
          { class: "radio" },
          el("input", { type: "radio", name, value, checked: value === (cards[0][name] || "") }),
          ` ${value || "not said"}`,
        ),
      ),
    );
  const count = el("input", {
    type: "number",
    name: "count",
    min: 1,
    max: 100000,
    value: cards[0].count > 1 ? cards[0].count : "",
  });
  const form = el(
    "form",
    {},
    el("p", { class: "soft" }, cards.length === 1 ? nameText(cards[0].name) : `${number(cards.length)} pictures`),
    choice("sex", "Sex", ["female", "male"]),
    choice("life_stage", "Age", ["adult", "subadult", "juvenile"]),
    el("label", { class: "row" }, "How many birds are in the box ", count),
    el("button", { type: "submit" }, "Save"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const more = {};
    for (const key of ["sex", "life_stage"]) if (given.get(key)) more[key] = given.get(key);
    if (given.get("count")) more.count = Number(given.get("count"));
    $("dialog").close();
    if (Object.keys(more).length)
      send(
        { say: "noted", boxes: cards.map((card) => card.id), alone: true, ...more },
        cards.length,
        Object.values(more).join(", "),
      );
  });
  return ask("Sex, age, number", form);
}
