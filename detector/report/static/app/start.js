"use strict";
// Opens the page: what is known at once is shown at once, the rest as its data comes.

(function (hoopoe) {
  const { el } = hoopoe;

  function footer() {
    const { models, version, made } = hoopoe.summary;
    const named = models.species ? ` and ${models.species.name} (${models.species.classes} classes)` : "";
    hoopoe.put(
      "footer",
      el(
        "p",
        {},
        `Hoopoe ${version}, ${made.slice(0, 10)}. `,
        models.detector ? `Found by ${models.detector.name}${named}. ` : "",
        "Nothing on this page comes from the network, and nothing leaves it.",
      ),
    );
  }

  async function start() {
    if (!hoopoe.summary) {
      hoopoe.put(
        "overview-body",
        el("p", { class: "note" }, "data/summary.js is missing: make the report again, and keep its folder together."),
      );
      return;
    }
    const parts = [hoopoe.renderOverview, hoopoe.renderSpecies];
    parts.forEach((render) => render());
    footer();
    const { names } = hoopoe.summary;
    for (const option of document.querySelectorAll("#language option")) {
      option.disabled = option.value === "hebrew" && !names.some((name) => name.hebrew);
    }
    await Promise.all([hoopoe.loadEvents(), hoopoe.loadRows()]);
    const later = [hoopoe.renderActivity, hoopoe.renderCameras, hoopoe.renderGallery, hoopoe.renderTrust];
    later.forEach((render) => render());
    document.getElementById("language").addEventListener("change", (event) => {
      hoopoe.language = event.target.value;
      [...parts, ...later].forEach((render) => render());
    });
    document.documentElement.dataset.ready = "true";
  }

  start().catch((problem) => {
    hoopoe.put("gallery-body", el("p", { class: "note" }, problem.message));
    throw problem;
  });
})(window.hoopoe);
