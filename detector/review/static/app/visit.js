// A whole visit at once: all birds at one place, without a pause as long as that between events, by what most are called.

import { get } from "./api.js";
import { chosen, crop, moveOn } from "./grid.js";
import { send } from "./marks.js";
import { askName } from "./names.js";
import { $, ask, counted, el, isSaid, moment, nameNode, nameText, placeName, says } from "./shared.js";

export async function askVisit() {
  const [card] = chosen();
  if (!card) return says("Select a picture first.");
  const visit = await get("/api/visit", { box: card.id });
  if (!visit.cards.length) return says("No bird counts there and then.");
  const open = visit.cards.filter((each) => !isSaid(each));
  const times = visit.cards.map((each) => each.time).filter((time) => time !== null);
  const say = (name) =>
    send({ say: "named", name, boxes: visit.cards.map((each) => each.id) }, visit.cards.length, name).then(
      (done) => done && moveOn(),
    );
  const majority = visit.majority;
  return ask(
    "The whole visit",
    el(
      "p",
      {},
      `${placeName(card.place)}, ${times.length ? moment(Math.min(...times)) : "time unknown"}: ${counted(visit.cards.length, "bird")}, ${open.length} of them without a person's word.`,
    ),
    el(
      "ul",
      { class: "votes" },
      visit.votes.map((vote) => el("li", {}, el("b", {}, `${vote.birds} × `), nameNode(vote.name))),
    ),
    el(
      "div",
      { class: "strip visit" },
      visit.cards.slice(0, 24).map((each) => crop(each)),
    ),
    el(
      "p",
      { class: "pair wide" },
      majority
        ? el(
            "button",
            {
              type: "button",
              id: "majority",
              onclick: () => {
                $("dialog").close();
                say(majority.name);
              },
            },
            `Call all ${nameText(majority)}`,
          )
        : null,
      el(
        "button",
        { type: "button", onclick: () => askName(say, visit.cards, `What are these ${visit.cards.length} birds?`) },
        "Another name …",
      ),
    ),
  );
}
