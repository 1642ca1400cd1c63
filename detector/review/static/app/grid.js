// The grid: pictures of one guess, which are selected by mouse, keys and drags; reading more is keyset paging.

import { cropAddress, get } from "./api.js";
import * as pictures from "./pictures.js";
import {
  $,
  breaking,
  counted,
  el,
  isSaid,
  moment,
  nameNode,
  nameText,
  number,
  percent,
  placeName,
  put,
  says,
  state,
} from "./shared.js";

const MARGIN = 0.25; // `report.pictures.CROP_MARGIN` of the program
// As many pictures as the window has room for: they are drawn at once, the others a moment later.
const inSight = () => Math.max(Math.ceil((innerWidth - 300) / 170), 3) * Math.ceil(innerHeight / 250);
export const grid = { ids: [], selected: new Set(), at: 0, anchor: 0, more: false, open: 0, watchers: [] };

const changed = () => grid.watchers.forEach((watch) => watch());

// Where a box lies in its crop, which was cut with a margin, as far as the picture goes.
function boxInCrop([x, y, w, h]) {
  const along = (start, size) => {
    const from = Math.max(start - MARGIN * size, 0),
      to = Math.min(start + (1 + MARGIN) * size, 1);
    const long = Math.max(to - from, 1e-6);
    return [Math.max(start - from, 0) / long, Math.min(size, to - Math.max(start, 0)) / long];
  };
  return [...along(x, w), ...along(y, h)];
}

function placeBox(image, mark, xywh) {
  const ratio = image.naturalWidth / image.naturalHeight || 1;
  const wide = Math.min(ratio, 1),
    high = Math.min(1 / ratio, 1);
  const [left, width, top, height] = boxInCrop(xywh);
  const share = (value) => `${(100 * value).toFixed(2)}%`;
  mark.style.left = share((1 - wide) / 2 + left * wide);
  mark.style.top = share((1 - high) / 2 + top * high);
  mark.style.width = share(width * wide);
  mark.style.height = share(height * high);
  mark.hidden = false;
}

export function crop(card) {
  const mark = el("span", { class: "box", hidden: true });
  const image = el("img", { decoding: "async", alt: "", draggable: "false" });
  const holder = el("span", { class: "crop" }, image, mark);
  image.addEventListener("load", () => placeBox(image, mark, card.xywh));
  image.addEventListener("error", () => {
    holder.classList.add("none");
    holder.replaceChildren("no picture: is the card there?");
  });
  pictures.show(image, cropAddress(card));
  return holder;
}

const sureText = (card) => (card.confidence === null || isSaid(card) ? null : percent(card.confidence));

function stateText(card) {
  if (isSaid(card) && card.suppressed) return "no animal";
  if (card.group && card.group.left_out && !isSaid(card)) return "left out";
  return "";
}

function badges(card) {
  const badge = (shown, text, tone) => (shown ? el("span", { class: `badge ${tone || ""}` }, text) : null);
  const several = card.group ? card.group.boxes : card.members;
  return el(
    "span",
    { class: "badges" },
    badge(several > 1 && !state.filter.every, `${number(several)} pictures`),
    badge(card.review && !isSaid(card), card.reasons[0] || "review", "attention"),
    badge(card.video, "video"),
    badge(card.night, "night"),
    badge(card.drawn_by, "drawn"),
    badge(card.count > 1, `${number(card.count)} birds`),
    badge(card.sex, card.sex),
    badge(card.life_stage, card.life_stage),
  );
}

function inside(card) {
  return [
    crop(card),
    badges(card),
    isSaid(card)
      ? el(
          "span",
          { class: "tick" },
          el("span", { "aria-hidden": "true" }, "✓"),
          el("span", { class: "aloud" }, "said by"),
        )
      : null,
    el(
      "span",
      { class: "title" },
      stateText(card) ? el("span", {}, stateText(card)) : nameNode(card.name),
      sureText(card) ? el("span", { class: "sure" }, sureText(card)) : null,
    ),
    el("span", { class: "soft" }, isSaid(card) ? el("bdi", {}, card.reviewer || "saving …") : breaking(placeName(card.place))),
    el("span", { class: "soft" }, moment(card.time)),
  ];
}

const tabIndex = (place) => (place === Math.max(grid.at, 0) ? 0 : -1);

function option(id, place) {
  const card = state.cards.get(id);
  return el(
    "li",
    {
      role: "option",
      id: `card-${id}`,
      class: `card ${isSaid(card) ? "said" : ""}`,
      "data-place": place,
      "aria-selected": String(grid.selected.has(id)),
      tabindex: tabIndex(place),
    },
    inside(card),
  );
}

const nodes = () => $("grid")?.children ?? [];

function nodeAt(place) {
  if (place >= nodes().length) drawRest();
  return nodes()[place];
}

export function draw() {
  if (!grid.ids.length) {
    put("body", el("p", { class: "empty" }, grid.open ? "Reading …" : emptyText()));
    return changed();
  }
  put(
    "body",
    el(
      "ol",
      { class: "grid", role: "listbox", "aria-multiselectable": "true", "aria-label": "Pictures", id: "grid" },
      grid.ids.slice(0, inSight()).map(option),
    ),
    grid.more
      ? el(
          "nav",
          { class: "pager", "aria-label": "Pages" },
          el("button", { type: "button", id: "next", onclick: nextPage }, "Next pictures ( ] )"),
        )
      : el("p", { class: "soft" }, "These are the last ones."),
  );
  return changed();
}

// The pictures that are out of sight.
function drawRest() {
  const drawn = nodes().length;
  if (drawn) $("grid").append(...grid.ids.slice(drawn).map((id, at) => option(id, drawn + at)));
}

// Once what is drawn is seen; a page that nobody looks at has no frames.
const seen = () =>
  new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(resolve));
    setTimeout(resolve, 200);
  });

const emptyText = () =>
  state.filter.queue === "reviewed" ? "Nobody has said anything yet." : "Nothing is left to do here.";

// Read the first page of the filter, or the one behind the last picture. Again: others changed what is there, and the
// next key is meant for what was chosen before; if that is not on the page any more, for nothing.
export async function load(after = null, again = false) {
  const filter = state.filter;
  const page = await get("/api/boxes", { ...filter, after });
  if (filter !== state.filter) return; // another one was chosen meanwhile
  pictures.stop();
  for (const card of page.cards) state.cards.set(card.id, card);
  const ids = page.cards.map((card) => card.id);
  const at = again ? ids.indexOf(grid.ids[grid.at]) : 0;
  grid.selected = new Set(again ? ids.filter((id) => grid.selected.has(id)) : []);
  Object.assign(grid, { ids, at, anchor: Math.max(at, 0), more: page.more, open: page.open });
  draw();
  window.scrollTo(0, 0);
  await seen();
  drawRest();
}

export async function nextPage() {
  if (!grid.more) return says("There are no more pictures.");
  await load(grid.ids.at(-1));
  focus(0);
  return says(`${counted(grid.ids.length, "picture")} more`);
}

// Show cards as they are now, where they are on the page.
export function refresh(cards) {
  for (const card of cards) {
    const known = state.cards.has(card.id);
    if (known) state.cards.set(card.id, card);
    const node = known && document.getElementById(`card-${card.id}`);
    if (!node) continue;
    const focused = document.activeElement === node;
    const fresh = option(card.id, Number(node.dataset.place));
    node.replaceWith(fresh);
    if (focused) fresh.focus();
  }
  changed();
}

export function redraw() {
  const focused = document.activeElement?.closest?.("#grid") !== null && document.activeElement !== document.body;
  draw();
  drawRest();
  if (focused) focus(grid.at);
}

// --- selection

export const chosen = () => {
  const ids = grid.selected.size
    ? grid.ids.filter((id) => grid.selected.has(id))
    : grid.ids[grid.at]
      ? [grid.ids[grid.at]]
      : [];
  return ids.map((id) => state.cards.get(id));
};

function show() {
  [...nodes()].forEach((node, place) => {
    node.setAttribute("aria-selected", String(grid.selected.has(grid.ids[place])));
    node.setAttribute("tabindex", tabIndex(place));
  });
  changed();
}

export function focus(place) {
  if (!grid.ids.length) return;
  grid.at = Math.min(Math.max(place, 0), grid.ids.length - 1);
  show();
  nodeAt(grid.at)?.focus();
  nodeAt(grid.at)?.scrollIntoView({ block: "nearest" });
}

export function selectTo(place, keep = false) {
  if (!keep) grid.selected.clear();
  const [from, to] = [Math.min(grid.anchor, place), Math.max(grid.anchor, place)];
  for (let at = from; at <= to; at += 1) grid.selected.add(grid.ids[at]);
  focus(place);
}

export function toggle(place) {
  const id = grid.ids[place];
  if (!grid.selected.delete(id)) grid.selected.add(id);
  grid.anchor = place;
  focus(place);
}

export function selectAll() {
  grid.selected = new Set(grid.ids.filter((id) => state.filter.queue === "reviewed" || !isSaid(state.cards.get(id))));
  show();
  says(`${counted(grid.selected.size, "picture")} selected`);
}

export function selectNone() {
  grid.selected.clear();
  show();
}

// How many pictures stand in a row: what an arrow up or down means.
export function columns() {
  const first = nodeAt(0)?.offsetTop;
  const next = grid.ids.findIndex((_, place) => nodeAt(place).offsetTop !== first);
  return next < 0 ? grid.ids.length : next;
}

const open = (id) => !isSaid(state.cards.get(id));
export const isDone = () => grid.ids.length > 0 && !grid.ids.some(open);

// After a mark: on to the next picture on which nobody has spoken.
export function moveOn() {
  grid.selected.clear();
  const after = grid.ids.findIndex((id, place) => place >= grid.at && open(id));
  const place = after >= 0 ? after : grid.ids.findIndex(open);
  if (place >= 0) return focus(place);
  show();
  return $("next")?.focus();
}

// --- mouse: a click selects one, with shift a row of them, with Ctrl one more; a drag all that it touches

let drag = null;

function placeOf(event) {
  const node = event.target.closest?.("#grid > li");
  return node ? Number(node.dataset.place) : -1;
}

function band(event) {
  const [left, right] = [Math.min(drag.x, event.pageX), Math.max(drag.x, event.pageX)];
  const [top, bottom] = [Math.min(drag.y, event.pageY), Math.max(drag.y, event.pageY)];
  Object.assign(drag.band.style, {
    left: `${left}px`,
    top: `${top}px`,
    width: `${right - left}px`,
    height: `${bottom - top}px`,
  });
  const touched = grid.ids.filter((_, place) => {
    const box = nodeAt(place).getBoundingClientRect();
    return (
      box.left + scrollX < right &&
      box.right + scrollX > left &&
      box.top + scrollY < bottom &&
      box.bottom + scrollY > top
    );
  });
  grid.selected = new Set([...drag.before, ...touched]);
  show();
}

export function listenToMouse(open) {
  const main = $("main");
  main.addEventListener("pointerdown", (event) => {
    if (
      event.button ||
      event.pointerType === "touch" ||
      !event.target.closest("#body") ||
      event.target.closest("button, a, input, select")
    )
      return;
    drag = {
      x: event.pageX,
      y: event.pageY,
      before: event.ctrlKey || event.metaKey ? [...grid.selected] : [],
      band: null,
    };
  });
  window.addEventListener("pointermove", (event) => {
    if (!drag || !grid.ids.length) return;
    if (!drag.band) {
      if (Math.hypot(event.pageX - drag.x, event.pageY - drag.y) < 8) return;
      drag.band = el("div", { class: "band", "aria-hidden": "true" });
      document.body.append(drag.band);
    }
    band(event);
  });
  window.addEventListener("pointerup", () => {
    if (drag?.band) {
      drag.band.remove();
      const stop = (event) => event.stopPropagation(); // the click that ends a drag selects nothing
      window.addEventListener("click", stop, { capture: true, once: true });
      setTimeout(() => window.removeEventListener("click", stop, { capture: true }), 0);
    }
    drag = null;
  });
  main.addEventListener("focusin", (event) => {
    const place = placeOf(event); // a screen reader, too, moves the focus: keys are meant for what has it
    if (place < 0 || place === grid.at) return;
    grid.at = place;
    if (!drag) grid.anchor = place;
    show();
  });
  main.addEventListener("click", (event) => {
    const place = placeOf(event);
    if (place < 0) return;
    if (event.shiftKey) selectTo(place, event.ctrlKey || event.metaKey);
    else if (event.ctrlKey || event.metaKey || event.target.closest(".pick") || matchMedia("(pointer: coarse)").matches)
      toggle(place);
    else {
      grid.selected = new Set([grid.ids[place]]);
      grid.anchor = place;
      focus(place);
    }
  });
  main.addEventListener("dblclick", (event) => {
    const place = placeOf(event);
    if (place >= 0) open(state.cards.get(grid.ids[place]));
  });
}
