"use strict";
// A map without tiles: the deployments to scale, with a net of degrees, their outline, a scale bar and the north.

(function (hoopoe) {
  const { svg, number } = hoopoe;
  const KM_A_DEGREE = 111.32,
    SMALLEST_KM = 0.2;

  const round = (value) => {
    const unit = 10 ** Math.floor(Math.log10(value));
    return [5, 2, 1].map((factor) => factor * unit).find((each) => each <= value);
  };

  // Corners of the smallest area around points, by Andrew's monotone chain.
  function outline(points) {
    const sorted = [...points].sort((one, other) => one[0] - other[0] || one[1] - other[1]);
    const left = (a, b, c) => (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    const chain = (list) => {
      const kept = [];
      for (const point of list) {
        while (kept.length > 1 && left(kept[kept.length - 2], kept[kept.length - 1], point) <= 0) kept.pop();
        kept.push(point);
      }
      return kept.slice(0, -1);
    };
    return [...chain(sorted), ...chain(sorted.reverse())];
  }

  function view(places, width) {
    const latitudes = places.map((place) => place.latitude),
      longitudes = places.map((place) => place.longitude);
    const middle = [
      (Math.min(...longitudes) + Math.max(...longitudes)) / 2,
      (Math.min(...latitudes) + Math.max(...latitudes)) / 2,
    ];
    const squeeze = Math.max(Math.cos((middle[1] * Math.PI) / 180), 0.01);
    const wideKm = Math.max((Math.max(...longitudes) - Math.min(...longitudes)) * KM_A_DEGREE * squeeze, SMALLEST_KM);
    const highKm = Math.max((Math.max(...latitudes) - Math.min(...latitudes)) * KM_A_DEGREE, SMALLEST_KM);
    const height = Math.round(Math.min(Math.max((highKm / wideKm) * width, width * 0.5), width * 0.85));
    const scale = Math.min((width - 120) / wideKm, (height - 110) / highKm); // pixels a kilometre
    return {
      height,
      scale,
      middle,
      x: (longitude) => width / 2 + (longitude - middle[0]) * KM_A_DEGREE * squeeze * scale,
      y: (latitude) => height / 2 - (latitude - middle[1]) * KM_A_DEGREE * scale,
      longitude: (x) => middle[0] + (x - width / 2) / (KM_A_DEGREE * squeeze * scale),
      latitude: (y) => middle[1] - (y - height / 2) / (KM_A_DEGREE * scale),
    };
  }

  function net(at, width) {
    const nodes = [];
    const step = round((at.longitude(width) - at.longitude(0)) / 3);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    let free = 0; // from where there is room for a longitude
    for (let value = Math.ceil(at.longitude(0) / step) * step; value < at.longitude(width); value += step) {
      nodes.push(svg("line", { class: "grid", x1: at.x(value), x2: at.x(value), y1: 0, y2: at.height }));
      const text = `${Math.abs(value).toFixed(digits)}° ${value < 0 ? "W" : "E"}`;
      if (at.x(value) < free || at.x(value) > width - 60) continue; // it would lie on the one before, or be cut
      nodes.push(hoopoe.label(at.x(value) + 3, 12, text));
      free = at.x(value) + 64;
    }
    for (let value = Math.ceil(at.latitude(at.height) / step) * step; value < at.latitude(0); value += step) {
      nodes.push(svg("line", { class: "grid", x1: 0, x2: width, y1: at.y(value), y2: at.y(value) }));
      const text = `${Math.abs(value).toFixed(digits)}° ${value < 0 ? "S" : "N"}`;
      if (at.y(value) > 32) nodes.push(hoopoe.label(3, at.y(value) - 4, text)); // else it lies on one of the others
    }
    return nodes;
  }

  function scaleBar(at, width) {
    const km = round(width / 4 / at.scale),
      long = km * at.scale,
      y = at.height - 14;
    const text = km >= 1 ? `${number(km)} km` : `${number(Math.round(km * 1000))} m`;
    return [
      svg("path", { class: "scale", d: `M${width - 16 - long} ${y - 5}v5h${long}v-5` }),
      hoopoe.label(width - 16 - long / 2, y - 8, text, { "text-anchor": "middle" }),
      svg("path", { class: "north", d: `M${width - 30} 46l6-18 6 18-6-5z` }),
      hoopoe.label(width - 24, 60, "N", { "text-anchor": "middle" }),
    ];
  }

  function draw(places, label, width) {
    const at = view(places, width),
      most = Math.max(...places.map((place) => place.birds), 1);
    const corners = outline(places.map((place) => [at.x(place.longitude), at.y(place.latitude)]));
    const dots = [],
      labels = [],
      taken = [];
    for (const place of [...places].sort((one, other) => other.birds - one.birds)) {
      const x = at.x(place.longitude),
        y = at.y(place.latitude),
        radius = 4 + 12 * Math.sqrt(place.birds / most);
      const text = `${place.name || place.id} (${number(place.birds)})`,
        right = x < width / 2,
        long = 7.5 * text.length;
      dots.push(svg("circle", { class: "dot", cx: x, cy: y, r: radius }, svg("title", {}, text)));
      const left = right ? x + radius + 4 : x - radius - 4 - long; // names of the most birds; others stand in the table
      if (taken.some(([from, to, line]) => left < to && left + long > from && Math.abs(line - y) < 16)) continue;
      taken.push([left, left + long, y]);
      labels.push(
        hoopoe.label(right ? left : left + long, y + 4, text, {
          "text-anchor": right ? "start" : "end",
          class: "tick name halo",
        }),
      );
    }
    return hoopoe.canvas(
      width,
      at.height,
      label,
      svg("rect", { class: "ground", width, height: at.height, rx: 6 }),
      ...net(at, width),
      corners.length > 2
        ? svg("polygon", { class: "outline", points: corners.map((corner) => corner.join(",")).join(" ") })
        : null,
      ...dots,
      ...labels,
      ...scaleBar(at, width),
    );
  }

  hoopoe.mapFigure = function () {
    const places = hoopoe.summary.places.filter((place) => place.latitude !== null);
    if (!places.length)
      return hoopoe.el(
        "p",
        { class: "soft" },
        "No deployment has coordinates: ",
        hoopoe.el("code", {}, "hoopoe deployments"),
        " begins a table to fill in, and there is a map here then.",
      );
    const caption = "Where the cameras stood; circles are as large as the bird events are many";
    const rows = places.map((place) => [
      place.name || place.id,
      place.latitude.toFixed(5),
      place.longitude.toFixed(5),
      place.birds,
    ]);
    return hoopoe.figure(
      caption,
      (width) => draw(places, caption, width),
      hoopoe.table(["Deployment", "Latitude", "Longitude", "Bird events"], rows, caption),
    );
  };
})(window.hoopoe);
