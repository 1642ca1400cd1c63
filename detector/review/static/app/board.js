// A picture with its boxes: seen larger, a box chosen, drawn, or mended, by pointer and by keys.

import { $, el, isSaid, keyOf, nameText, svg } from "./shared.js";

const LARGEST = 8,
  STEP = 0.004,
  SMALLEST = 0.004, // shares of the picture
  ROOM = 0.66; // of the window's height

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export class Board {
  constructor(given) {
    Object.assign(this, given, { zoom: 1, base: 0, mode: "look", box: null, drag: null });
    this.image = el("img", { src: given.address("frame"), alt: given.alt, draggable: "false" });
    this.svg = svg("svg", { class: "boxes", viewBox: "0 0 1 1", preserveAspectRatio: "none" });
    this.plane = el("div", { class: "plane" }, this.image, this.svg);
    this.node = el(
      "div",
      {
        class: "frame board",
        tabindex: 0,
        role: "group",
        "aria-label": "The picture; plus and minus change its size, W draws a box",
      },
      this.plane,
    );
    this.image.addEventListener("error", () =>
      this.node.replaceChildren(el("p", { class: "crop none" }, "There is no picture: is the card there?")),
    );
    this.image.addEventListener("load", () => this.base || this.fit());
    this.node.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.plane.addEventListener("pointerdown", (event) => this.down(event));
    this.plane.addEventListener("pointermove", (event) => this.move(event));
    this.plane.addEventListener("pointerup", (event) => this.up(event));
    this.draw();
  }

  controls() {
    const button = (text, label, act, id) =>
      el("button", { type: "button", id, "aria-label": label, onclick: act }, text);
    return el(
      "div",
      { class: "controls board-controls" },
      button("−", "Smaller", () => this.size(this.zoom / 1.5)),
      button("+", "Larger", () => this.size(this.zoom * 1.5)),
      button("Draw a box", null, () => this.begin(), "draw-box"),
      this.mode === "look" ? null : el("span", { class: "soft" }, this.told()),
      el("span", { class: "soft", id: "board-says", role: "status" }),
    );
  }

  told() {
    return this.mode === "draw"
      ? "Drag over what was missed; or Enter, then arrow keys"
      : "Drag the box or its corners, or use arrow keys (Shift: its size); Enter saves, Esc does not";
  }

  tell() {
    const node = $("board-says");
    if (node) node.replaceChildren(this.mode === "look" ? "" : this.told());
    this.node.classList.toggle("drawing", this.mode === "draw");
  }

  draw() {
    const rect = (card) => {
      const [x, y, w, h] = card.xywh;
      const node = svg("rect", {
        class: `${card.id === this.chosen ? "own" : "other"} ${card.faint ? "faint" : ""} ${isSaid(card) ? "said" : ""} ${card.suppressed ? "gone" : ""}`,
        x,
        y,
        width: w,
        height: h,
        tabindex: 0,
        role: "button",
        "aria-label": `Box: ${nameText(card.name)}${card.faint ? ", too faint to count" : ""}`,
      });
      node.addEventListener("click", () => this.mode === "look" && this.choose(card.id));
      node.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        this.choose(card.id);
      });
      return node;
    };
    const mending = this.mode === "mend";
    const order = [...this.cards].sort((one, other) => other.xywh[2] * other.xywh[3] - one.xywh[2] * one.xywh[3]);
    this.svg.replaceChildren(...order.filter((card) => !(mending && card.id === this.chosen)).map(rect));
    for (const [x, y, width, height] of this.drawn) this.svg.append(svg("rect", { class: "own", x, y, width, height }));
    if (!this.box) return;
    const [x, y, w, h] = this.box;
    this.svg.append(svg("rect", { class: "own new", x, y, width: w, height: h }));
    if (!mending) return;
    const bounds = this.plane.getBoundingClientRect();
    const [wide, high] = [12 / (bounds.width || 1), 12 / (bounds.height || 1)];
    for (const [dx, dy] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ])
      this.svg.append(
        svg("rect", {
          class: "handle",
          "data-corner": `${dx}${dy}`,
          x: x + dx * w - wide / 2,
          y: y + dy * h - high / 2,
          width: wide,
          height: high,
        }),
      );
  }

  // --- size

  // As large as there is room, so that the whole picture is seen.
  fit() {
    const { naturalWidth: width, naturalHeight: height } = this.image;
    this.base = Math.min(this.node.clientWidth, (ROOM * window.innerHeight * width) / height);
    this.plane.style.width = `${this.base}px`;
    this.draw();
  }

  size(zoom, event = null) {
    const before = this.plane.getBoundingClientRect();
    const at = event
      ? [(event.clientX - before.left) / before.width, (event.clientY - before.top) / before.height]
      : [0.5, 0.5];
    const frame = this.node.getBoundingClientRect();
    const held = event ? [event.clientX - frame.left, event.clientY - frame.top] : [frame.width / 2, frame.height / 2];
    this.zoom = clamp(zoom, 1, LARGEST);
    this.plane.style.width = `${this.base * this.zoom}px`;
    if (this.zoom > 1 && !this.image.dataset.full) {
      this.image.dataset.full = "true";
      this.image.src = this.address("full");
    }
    const after = this.plane.getBoundingClientRect();
    this.node.scrollTo(at[0] * after.width - held[0], at[1] * after.height - held[1]);
    this.draw();
  }

  wheel(event) {
    if (!event.ctrlKey && this.zoom === 1 && event.deltaY > 0) return; // the page scrolls
    event.preventDefault();
    this.size(this.zoom * (event.deltaY < 0 ? 1.25 : 0.8), event);
  }

  // --- drawing and mending

  begin() {
    this.mode = "draw";
    this.box = null;
    this.tell();
    this.node.focus();
    this.draw();
  }

  mend() {
    const card = this.cards.find((each) => each.id === this.chosen);
    if (!card) return;
    this.mode = "mend";
    this.box = [...card.xywh];
    this.tell();
    this.node.focus();
    this.draw();
  }

  cancel() {
    Object.assign(this, { mode: "look", box: null, drag: null });
    this.tell();
    this.draw();
  }

  save() {
    const box = this.box.map((side) => clamp(side, 0, 1));
    if (this.mode === "new" || this.mode === "draw") this.drew(box);
    else this.mended(box);
  }

  at(event) {
    const bounds = this.plane.getBoundingClientRect();
    return [
      clamp((event.clientX - bounds.left) / bounds.width, 0, 1),
      clamp((event.clientY - bounds.top) / bounds.height, 0, 1),
    ];
  }

  down(event) {
    if (event.button) return;
    const corner = event.target.dataset?.corner;
    const point = this.at(event);
    if (this.mode === "draw") this.drag = { fixed: point };
    else if (this.mode === "mend" && corner) {
      const [x, y, w, h] = this.box;
      this.drag = { fixed: [corner[0] === "1" ? x : x + w, corner[1] === "1" ? y : y + h] };
    } else if (this.mode === "mend" && event.target.classList.contains("new"))
      this.drag = { from: point, box: [...this.box] };
    else if (this.zoom > 1 && this.mode === "look" && event.target.tagName !== "rect")
      this.drag = { scroll: [this.node.scrollLeft + event.clientX, this.node.scrollTop + event.clientY] };
    if (!this.drag) return;
    this.plane.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  move(event) {
    if (!this.drag) return;
    if (this.drag.scroll)
      return void this.node.scrollTo(this.drag.scroll[0] - event.clientX, this.drag.scroll[1] - event.clientY);
    const [px, py] = this.at(event);
    if (this.drag.fixed) {
      const [fx, fy] = this.drag.fixed;
      this.box = [Math.min(fx, px), Math.min(fy, py), Math.abs(px - fx), Math.abs(py - fy)];
    } else {
      const [x, y, w, h] = this.drag.box;
      this.box = [clamp(x + px - this.drag.from[0], 0, 1 - w), clamp(y + py - this.drag.from[1], 0, 1 - h), w, h];
    }
    this.draw();
  }

  up() {
    const { drag } = this;
    this.drag = null;
    if (!drag || drag.scroll) return;
    if (!this.box || this.box[2] < SMALLEST || this.box[3] < SMALLEST)
      return void (this.mode === "draw" ? this.begin() : this.draw());
    this.save();
  }

  // What a key does here; whether it did anything.
  key(event) {
    const key = keyOf(event).toLowerCase();
    if (key === "w") this.begin();
    else if (key === "m" && this.chosen) this.mend();
    else if (key === "+" || key === "=") this.size(this.zoom * 1.5);
    else if (key === "-") this.size(this.zoom / 1.5);
    else if (key === "0") this.size(1);
    else if (this.mode === "look") return false;
    else if (key === "escape") this.cancel();
    else if (key === "enter" && this.mode === "draw" && !this.box) {
      Object.assign(this, { mode: "new", box: [0.4, 0.4, 0.2, 0.2] });
      this.draw();
    } else if (key === "enter" && this.box) this.save();
    else if (key.startsWith("arrow") && this.box) this.nudge(key, event.shiftKey);
    else return false;
    return true;
  }

  nudge(key, size) {
    const [dx, dy] = { arrowleft: [-STEP, 0], arrowright: [STEP, 0], arrowup: [0, -STEP], arrowdown: [0, STEP] }[key];
    const [x, y, w, h] = this.box;
    this.box = size
      ? [x, y, clamp(w + 2 * dx, SMALLEST, 1 - x), clamp(h + 2 * dy, SMALLEST, 1 - y)]
      : [clamp(x + dx, 0, 1 - w), clamp(y + dy, 0, 1 - h), w, h];
    this.draw();
  }
}
