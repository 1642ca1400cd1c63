// Opens the page: shows the token, goes on where the person was, and listens to what other tabs say.

import { get, post } from "./api.js";
import { askHelp, drawActions, listenToKeys } from "./actions.js";
import { askExport } from "./exports.js";
import { drawFiles, loadFiles, readAgain } from "./files.js";
import { grid, listenToMouse, load, redraw } from "./grid.js";
import { hooks, take, undo } from "./marks.js";
import { $, ask, el, put, says, state } from "./shared.js";
import { drawHead, drawProgress, drawSide, isFiles, readSummary } from "./side.js";
import { openViewer } from "./viewer.js";

const POLL_MS = 2000;

async function enter() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  await post("/api/enter", { token });
}

function remember() {
  const { queue, name, order } = state.filter;
  const { reviewer, language } = state;
  post("/api/where", { reviewer, queue, name, order, language })
    .then(() => sessionStorage.setItem("reviewer", reviewer)) // of this tab: in another somebody else may look
    .catch(() => {});
}

// Go to a queue, a name, a place, an order.
export async function choose(change, after = null) {
  state.filter = { ...state.filter, ...change };
  if ("queue" in change) state.filter = { ...state.filter, place: null, every: false, ...change };
  const known = Boolean(state.summary);
  try {
    await Promise.all([isFiles(state.filter.queue) ? loadFiles(state.filter.queue) : load(after), readSummary()]);
  } catch (problem) {
    return says(problem.message, "wrong");
  }
  drawAll();
  if (!known && !isFiles(state.filter.queue)) redraw(); // places have names now
  return remember();
}

function drawAll() {
  drawSide(choose);
  drawProgress();
  drawHead(choose);
  drawButtons();
  drawActions(openViewer);
}

function drawButtons() {
  $("who").replaceChildren(el("bdi", {}, state.reviewer));
  $("who").setAttribute("aria-label", `You are ${state.reviewer}: change`);
  const button = $("undo");
  button.disabled = !state.undo;
  button.title = state.undo ? `take back: ${state.undo.words}` : "";
  put(
    "undo",
    state.undo
      ? el(
          "span",
          {},
          "Undo ",
          el(
            "bdi",
            { class: "what" },
            state.undo.units > 1 ? `${state.undo.units} × ${state.undo.words}` : state.undo.words,
          ),
        )
      : "Undo",
  );
}

let summarising = 0;
function summarise() {
  clearTimeout(summarising);
  summarising = setTimeout(async () => {
    try {
      await readSummary();
    } catch (problem) {
      says(problem.message, "wrong");
      return;
    }
    const open = state.summary.names.find((each) => each.key === state.filter.name);
    if (!isFiles(state.filter.queue) && state.filter.place === null && !state.filter.every)
      grid.open = state.filter.name
        ? (open?.open ?? 0)
        : state.summary.queues.find((each) => each.key === state.filter.queue).open;
    drawAll();
    hooks.estimate();
  }, 120);
}

// Every two seconds, while somebody looks: what other tabs and programs have said.
async function poll() {
  if (document.visibilityState === "visible") {
    try {
      const answer = await get("/api/changes", { since: state.revision, reviewer: state.reviewer });
      const counting = Boolean(state.summary?.deciding) !== answer.deciding;
      if (answer.revision > state.revision) await take(answer); // not one that a mark's answer has overtaken
      else if (counting) summarise();
    } catch (problem) {
      if (problem.status === 0) says(problem.message, "wrong");
    }
  }
  setTimeout(poll, POLL_MS);
}

function askWho() {
  const input = el("input", { type: "text", value: state.reviewer, maxlength: 80, "aria-label": "Your name" });
  const form = el(
    "form",
    {},
    el("p", {}, "Whose word is it? It stands beside everything that you say."),
    input,
    el("button", { type: "submit" }, "That is me"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!input.value.trim()) return;
    state.reviewer = input.value.trim();
    $("dialog").close();
    choose({});
  });
  ask("Who are you?", form);
  input.select();
}

function listen() {
  listenToKeys(openViewer);
  listenToMouse(openViewer);
  grid.watchers.push(() => state.summary && drawActions(openViewer));
  $("undo").addEventListener("click", undo);
  $("help").addEventListener("click", askHelp);
  $("export").addEventListener("click", askExport);
  $("who").addEventListener("click", askWho);
  $("language").addEventListener("change", (event) => {
    state.language = event.target.value;
    drawAll();
    if (isFiles(state.filter.queue)) drawFiles();
    else redraw();
    remember();
  });
  for (const dialog of document.querySelectorAll("dialog"))
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  hooks.summarise = summarise;
  hooks.files = (files) => isFiles(state.filter.queue) && files.length && drawFiles();
  hooks.everything = async () => (isFiles(state.filter.queue) ? readAgain() : load(null, true));
}

async function start() {
  await enter();
  const begin = await get("/api/start", { reviewer: sessionStorage.getItem("reviewer") });
  Object.assign(state, { reviewer: begin.reviewer, blur: begin.blur, exports: begin.exports });
  put("store", begin.store);
  document.title = `Review – ${begin.store}`;
  const where = begin.where || {};
  state.language = where.language || "english";
  $("language").value = state.language;
  const change = { queue: where.queue || "review", name: where.name || null, order: where.order || "alike" };
  const { revision } = await get("/api/changes", { since: 0, reviewer: state.reviewer });
  state.revision = revision;
  listen();
  await choose(change);
  if (!begin.where && !grid.open && state.filter.queue === "review") await choose({ queue: "all" });
  else if (begin.where) says(`Welcome back, ${state.reviewer}: this is where you were.`);
  document.documentElement.dataset.ready = "true";
  setTimeout(poll, POLL_MS);
}

start().catch((problem) => {
  put("body", el("p", { class: "note" }, problem.message));
  document.documentElement.dataset.ready = "failed";
});
