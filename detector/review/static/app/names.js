// The search for a name, over all that there are, in all languages: candidates first, then the last used.

import { get } from "./api.js";
import { chosen } from "./grid.js";
import { $, ask, el, nameNode, nameText, otherNames, percent, state } from "./shared.js";

let found = [],
  at = 0,
  asked = 0,
  answered = Promise.resolve();

const known = new Map(); // by scientific name, as it was found: how a name reads that is only remembered by it

// A name by its scientific one: found once, then remembered.
export async function nameOf(name) {
  if (!known.has(name)) {
    const { names } = await get("/api/names", { text: name });
    known.set(name, names.find((each) => each.name === name) || { name, english: "", hebrew: "", rank: "", kind: "" });
  }
  return known.get(name);
}

// What the models think of the cards, the likeliest first.
function candidates(cards) {
  const sums = new Map();
  for (const card of cards)
    for (const [name, share] of card.candidates) sums.set(name, (sums.get(name) || 0) + share / cards.length);
  return [...sums].sort((one, other) => other[1] - one[1]).slice(0, 3);
}

async function offered(cards) {
  const likely = candidates(cards);
  const names = [...new Set([...likely.map(([name]) => name), ...state.recent])].slice(0, 9);
  const shares = new Map(likely);
  return Promise.all(names.map(async (name) => ({ ...(await nameOf(name)), share: shares.get(name) })));
}

const shown = (name) => ({ ...name, display: name.english || name.name });

function option(name, place) {
  return el(
    "li",
    { role: "option", id: `name-${place}`, "aria-selected": String(place === at), "data-place": place },
    el(
      "span",
      { class: "names" },
      el("b", {}, nameNode(shown(name))),
      " ",
      el("span", { class: "soft" }, otherNames(shown(name))),
    ),
    el(
      "span",
      { class: "soft" },
      name.share ? percent(name.share) : name.rank === "species" ? (name.here ? "known here" : "") : name.rank,
    ),
  );
}

// Ask for a name; take(name) is called with what was chosen, in a word of the taxonomy.
export async function askName(take, cards = chosen(), title = "") {
  const list = el("ul", { class: "found", role: "listbox", id: "found", "aria-label": "Names" });
  const input = el("input", {
    type: "text",
    role: "combobox",
    id: "name-text",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Name",
    "aria-expanded": "true",
    "aria-controls": "found",
    "aria-autocomplete": "list",
    placeholder: "English, Hebrew or scientific name",
  });
  const draw = () => {
    list.replaceChildren(...found.map(option));
    if (!found.length)
      list.append(
        el(
          "li",
          { class: "soft", role: "option", "aria-selected": "false", "aria-disabled": "true" },
          input.value ? "No name is like this" : "Write a name",
        ),
      );
    if (found.length) input.setAttribute("aria-activedescendant", `name-${at}`);
    else input.removeAttribute("aria-activedescendant");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  const look = async () => {
    asked += 1;
    const mine = asked,
      text = input.value.trim();
    const names = text ? (await get("/api/names", { text })).names : await offered(cards);
    if (mine !== asked) return;
    found = names;
    at = 0;
    draw();
  };
  const search = () => {
    answered = look();
    return answered;
  };
  const choose = (place) => {
    if (!found[place]) return;
    known.set(found[place].name, found[place]);
    $("dialog").close();
    take(found[place].name);
  };
  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      at = (at + (event.key === "ArrowDown" ? 1 : found.length - 1)) % Math.max(found.length, 1);
      draw();
    } else if (event.key === "Enter")
      answered.then(() => choose(at)); // never one of the names that were found for less of the text
    else return;
    event.preventDefault();
  });
  list.addEventListener("click", (event) => choose(Number(event.target.closest("li")?.dataset.place)));
  found = [];
  ask(
    title ||
      (cards.length === 1 ? `What is it? Now: ${nameText(cards[0].name)}` : `What are these ${cards.length} pictures?`),
    input,
    list,
  );
  input.focus();
  await search();
}
