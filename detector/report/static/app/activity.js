"use strict";
// When: independent events by hour, by the clock or by the sun, and by date with the effort below.

(function (hoopoe) {
  const { el, svg, number } = hoopoe;
  const DAY = 1440;
  let chosen = -1,
    bySun = false; // -1: all birds

  const wanted = (event) =>
    chosen < 0 ? hoopoe.isBird(hoopoe.events.name[event]) : hoopoe.events.name[event] === chosen;

  hoopoe.countHours = function (sun) {
    const hours = new Array(24).fill(0);
    let without = 0;
    for (let event = 0; event < hoopoe.events.length; event += 1) {
      if (!wanted(event)) continue;
      const minute = sun ? hoopoe.events.sun[event] : hoopoe.events.start[event] % DAY;
      if (minute < 0) without += 1;
      else hours[Math.floor(minute / 60)] += 1;
    }
    return { hours, without };
  };

  function hourFigure() {
    const { hours, without } = hoopoe.countHours(bySun);
    const text = (hour) => `${String(hour).padStart(2, "0")}:00`;
    const labels = hours.map((_, hour) => ({
      title: `${text(hour)} to ${text(hour + 1)}`,
      text: hour % 3 === 0 ? String(hour) : "",
      edge: true,
    }));
    const caption =
      `Events by hour, ${bySun ? "by the sun: sunrise at 6, sunset at 18" : "by the camera's clock"}` +
      (without ? ` (${number(without)} without a known sun are left out)` : "");
    const draw = (width) =>
      hoopoe.bars(width, {
        values: hours,
        labels,
        unit: "events",
        label: caption,
        night: bySun
          ? [
              [0, 6],
              [18, 24],
            ]
          : [],
        marks: bySun
          ? [
              { at: 6, text: "sunrise" },
              { at: 18, text: "sunset" },
            ]
          : [],
      });
    return hoopoe.figure(
      caption,
      draw,
      hoopoe.table(
        ["Hour", "Events"],
        hours.map((count, hour) => [labels[hour].title, count]),
        caption,
      ),
    );
  }

  // Days of the calendar as bins of a day, a week or a month, by how many there are.
  function dateBins(first, last) {
    const days = last - first + 1;
    const width = days <= 70 ? 1 : days <= 500 ? 7 : 30;
    return { first, width, count: Math.ceil(days / width), word: { 1: "day", 7: "week", 30: "30 days" }[width] };
  }

  // Days of deployments at work between setup and retrieval, less the days without a camera.
  function atWork(bins) {
    const work = new Array(bins.count).fill(0);
    for (const place of hoopoe.summary.places) {
      if (!place.start || !place.end) continue;
      const gaps = (place.gaps || []).map((gap) => gap.map((text) => hoopoe.isoMinutes(text) / DAY));
      const from = Math.floor(hoopoe.isoMinutes(place.start) / DAY),
        to = Math.floor(hoopoe.isoMinutes(place.end) / DAY);
      for (let day = from; day <= to; day += 1) {
        const bin = Math.floor((day - bins.first) / bins.width);
        if (bin >= 0 && bin < bins.count && !gaps.some(([start, end]) => day >= start && day <= end)) work[bin] += 1;
      }
    }
    return work;
  }

  function dateFigure() {
    const days = [];
    for (let event = 0; event < hoopoe.events.length; event += 1)
      if (wanted(event)) days.push(Math.floor(hoopoe.events.start[event] / DAY));
    const { start, end } = hoopoe.summary.totals;
    if (start) days.push(Math.floor(hoopoe.isoMinutes(start) / DAY), Math.floor(hoopoe.isoMinutes(end) / DAY));
    if (!days.length) return null;
    let first = days[0],
      last = days[0];
    for (const day of days) {
      first = Math.min(first, day);
      last = Math.max(last, day);
    }
    const bins = dateBins(first, last),
      counts = new Array(bins.count).fill(0);
    (start ? days.slice(0, -2) : days).forEach((day) => {
      counts[Math.floor((day - first) / bins.width)] += 1;
    });
    const work = atWork(bins),
      caption = `Events by ${bins.word}, and the days that deployments were at work`;
    const dateOf = (bin) => hoopoe.date((first + bin * bins.width) * DAY);
    const draw = (width) => {
      const each = Math.max(1, Math.ceil(bins.count / Math.max(Math.floor(width / 110), 1)));
      const labels = counts.map((_, bin) => ({
        title: dateOf(bin),
        text: (bin % each === 0 && bin + each / 2 < bins.count) || bins.count <= 2 ? dateOf(bin) : "",
      }));
      return el(
        "div",
        {},
        hoopoe.bars(width, { values: counts, labels, unit: "events", label: caption }),
        effortStrip(width, work),
      );
    };
    const rows = counts.map((count, bin) => [dateOf(bin), count, work[bin]]);
    return hoopoe.figure(
      caption,
      draw,
      hoopoe.table([`From (a ${bins.word} each)`, "Events", "Days at work, of all deployments"], rows, caption),
    );
  }

  function effortStrip(width, work) {
    const left = 44,
      height = 56,
      most = Math.max(...work, 1),
      step = (width - left - 4) / Math.max(work.length, 1);
    const nodes = work.map((value, bin) =>
      svg("rect", {
        class: "effort",
        x: left + bin * step,
        y: 50 - (value / most) * 28,
        width: Math.max(step, 0.5),
        height: (value / most) * 28,
      }),
    );
    return hoopoe.canvas(
      width,
      height,
      "Days at work, of all deployments",
      ...nodes,
      hoopoe.label(left - 8, 54, "0", { "text-anchor": "end" }),
      hoopoe.label(left - 8, 32, number(most), { "text-anchor": "end" }),
      hoopoe.label(0, 12, "days at work"),
    );
  }

  function controls() {
    const options = hoopoe.summary.order.filter((index) => hoopoe.summary.names[index].events > 0);
    const select = el(
      "select",
      {
        id: "activity-name",
        onchange: (change) => {
          chosen = Number(change.target.value);
          hoopoe.renderActivity();
        },
      },
      el("option", { value: -1 }, "All birds"),
      options.map((index) => el("option", { value: index, selected: index === chosen }, hoopoe.nameText(index))),
    );
    const sunKnown = hoopoe.events.sun && hoopoe.events.sun.some((minute) => minute >= 0);
    const button = (sun, text) =>
      el(
        "button",
        {
          type: "button",
          "aria-pressed": String(bySun === sun),
          disabled: sun && !sunKnown,
          onclick: () => {
            bySun = sun;
            hoopoe.renderActivity();
          },
        },
        text,
      );
    return el(
      "div",
      { class: "controls" },
      el("label", {}, "Of ", select),
      el(
        "div",
        { class: "pair", role: "group", "aria-label": "Hours by" },
        button(false, "Clock"),
        button(true, "Sun"),
      ),
      sunKnown
        ? null
        : el("span", { class: "soft" }, "Time by the sun needs the deployments' coordinates and time zones."),
    );
  }

  hoopoe.renderActivity = function () {
    if (!hoopoe.events.length) return hoopoe.put("activity-body", el("p", {}, "There is no event with a time."));
    return hoopoe.put("activity-body", controls(), el("div", { class: "two" }, hourFigure(), dateFigure()));
  };
})(window.hoopoe);
