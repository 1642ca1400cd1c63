"use strict";
// The data: chunks are scripts, for a page from the disk may not read files. Columns become typed arrays.

(function (hoopoe) {
  // As `gallery.Flag` and `gallery.PLACES` of the program.
  hoopoe.FLAG = {
    REVIEW: 1,
    LEFT_OUT: 2,
    NIGHT: 4,
    REVIEWED: 8,
    VIDEO: 16,
    LEAD: 32,
    PICTURE: 64,
    REPEAT: 128,
    CLIP: 256,
  };
  hoopoe.PLACES = 10000;

  const loading = {};
  hoopoe.load = function (name) {
    loading[name] =
      loading[name] ||
      new Promise((resolve, reject) => {
        const script = hoopoe.el("script", { src: `data/${name}.js` });
        script.addEventListener("load", () => resolve(hoopoe.taken[name]));
        script.addEventListener("error", () => reject(new Error(`data/${name}.js is missing: make the report again`)));
        document.head.append(script);
      });
    return loading[name];
  };

  const chunkNames = (kind, count) =>
    Array.from({ length: count }, (_, chunk) => `${kind}-${String(chunk).padStart(4, "0")}`);

  async function columns(kind, count, length, each) {
    const parts = await Promise.all(chunkNames(kind, count).map(hoopoe.load));
    const joined = { length };
    let at = 0;
    for (const part of parts) {
      for (const [key, values] of Object.entries(part)) {
        if (!Array.isArray(values) || key === "ids") continue;
        joined[key] = joined[key] || new Int32Array(length);
        joined[key].set(values, at);
      }
      if (each) each(part);
      at += part.name.length;
    }
    return joined;
  }

  hoopoe.loadEvents = async function () {
    const { events, eventChunks } = hoopoe.summary.chunks;
    hoopoe.events = await columns("events", eventChunks, events);
  };

  hoopoe.loadRows = async function () {
    const { rows, indexChunks } = hoopoe.summary.chunks;
    const ids = [];
    hoopoe.rows = await columns("index", indexChunks, rows, (part) =>
      part.ids.forEach((id, place) => {
        ids[part.firstMedia + place] = id;
      }),
    );
    hoopoe.rows.ids = ids;
  };

  // What is known of a box beyond its columns, with what is known of its file.
  hoopoe.details = async function (row) {
    const size = hoopoe.summary.chunks.detailRows;
    const chunk = await hoopoe.load(`detail-${String(Math.floor(row / size)).padStart(5, "0")}`);
    const found = chunk.rows[row % size];
    return { ...found, ...chunk.media[found.media], time: found.time };
  };

  const folder = (id) => `pictures/${id.slice(0, 3)}/${id}`;
  hoopoe.cropPath = (row) => {
    const rows = hoopoe.rows;
    return `${folder(rows.ids[rows.media[row]])}-${rows.frame[row]}-${rows.box[row]}.jpg`;
  };
  hoopoe.framePath = (row) => `${folder(hoopoe.rows.ids[hoopoe.rows.media[row]])}-${hoopoe.rows.frame[row]}.jpg`;
  hoopoe.clipPath = (row) => `${folder(hoopoe.rows.ids[hoopoe.rows.media[row]])}.mp4`;
  hoopoe.has = (row, flag) => (hoopoe.rows.flags[row] & flag) !== 0;

  hoopoe.language = "english";
  const spoken = (text, hebrew, scientific) =>
    hoopoe.el("bdi", { lang: hebrew ? "he" : scientific ? "la" : null, class: scientific ? "scientific" : null }, text);

  // A name in the language that the reader chose, as a node; what has none in it keeps what is shown to all.
  hoopoe.nameNode = function (index) {
    const name = hoopoe.summary.names[index];
    if (hoopoe.language === "hebrew" && name.hebrew) return spoken(name.hebrew, true);
    if (hoopoe.language === "scientific" && name.name) return spoken(name.name, false, true);
    return spoken(name.display);
  };
  hoopoe.nameText = (index) => hoopoe.nameNode(index).textContent;

  // Own entries alone: a class may be called "constructor".
  hoopoe.translation = function (name) {
    const { translations } = hoopoe.summary;
    return Object.hasOwn(translations, name) ? translations[name] : null;
  };

  hoopoe.taxonNode = function (scientific) {
    const [english, hebrew] = hoopoe.translation(scientific) || ["", ""];
    if (hoopoe.language === "hebrew" && hebrew) return spoken(hebrew, true);
    if (hoopoe.language !== "scientific" && english) return spoken(english);
    return spoken(scientific, false, true);
  };

  hoopoe.placeName = (index) => hoopoe.summary.places[index].name || hoopoe.summary.places[index].id;
  hoopoe.isBird = (index) => hoopoe.summary.names[index].kind === "bird";
})(window.hoopoe);
