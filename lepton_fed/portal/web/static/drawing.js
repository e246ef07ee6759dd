// Draws what a page has as a table or a picture already: networks by Cytoscape, curves by uPlot. Without it nothing is missing.
"use strict";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Where somebody put what, for a page that is brought again while it is looked at.
const places = new Map();

const network = (box) => {
  const said = JSON.parse(box.dataset.network);
  const ink = colour("--ink");
  const paper = colour("--paper");
  const accent = colour("--accent") || ink;
  const drawn = cytoscape({
    container: box,
    elements: [
      ...said.nodes.map((one) => ({ data: one })),
      ...said.edges.map((one) => ({ data: { source: one.from, target: one.to, name: one.name, kind: one.kind || "flow" } })),
    ],
    style: [
      { selector: "node", style: {
        label: "data(name)", color: ink, "background-color": accent, width: 20, height: 20,
        "font-size": 13, "text-valign": "bottom", "text-margin-y": 5, "text-wrap": "ellipsis", "text-max-width": 140,
        "text-background-color": paper, "text-background-opacity": 0.8,
      } },
      { selector: "node[here]", style: { width: 30, height: 30, "font-weight": "bold" } },
      { selector: "edge", style: {
        label: "data(name)", color: ink, "font-size": 11, "text-rotation": "autorotate", "text-wrap": "ellipsis",
        "text-max-width": 110, "text-background-color": paper, "text-background-opacity": 0.9, width: 1.5, opacity: 0.85,
        "curve-style": "bezier", "line-color": accent, "target-arrow-color": accent, "target-arrow-shape": "triangle",
      } },
      { selector: "edge[kind = 'need']", style: { "line-style": "dashed" } },
      { selector: "edge[kind = 'nothing']", style: { "line-color": colour("--bad"), "target-arrow-color": colour("--bad") } },
    ],
    layout: {
      name: "concentric", animate: false, padding: 40, minNodeSpacing: 150, startAngle: Math.PI,
      concentric: (node) => (node.data("here") ? 2 : 1), levelWidth: () => 1,
    },
    maxZoom: 1.3,
    userZoomingEnabled: false,
    autounselectify: true,
  });
  drawn.nodes().forEach((node) => { if (places.has(node.id())) node.position(places.get(node.id())); });
  drawn.on("dragfree", "node", (event) => places.set(event.target.id(), { ...event.target.position() }));
  drawn.on("tap", "node[to]", (event) => location.assign(`/knowledge/entity?id=${encodeURIComponent(event.target.data("to"))}`));
  return () => drawn.destroy();
};

const curves = (box) => {
  const said = JSON.parse(box.dataset.curves);
  const rule = { stroke: colour("--rule"), width: 1 };
  const axis = { stroke: colour("--ink"), grid: rule, ticks: rule };
  const few = said.rounds.length < 30;
  const lines = said.lines.map((one, k) => (
    { label: one.name, stroke: colour(`--line${k % 8}`), width: 2, spanGaps: true, points: { show: few } }
  ));
  const rounds = { ...axis, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] };
  const how = {
    width: box.clientWidth, height: 280, scales: { x: { time: false } },
    series: [{ label: box.dataset.round }, ...lines], axes: [rounds, axis],
  };
  const drawn = new uPlot(how, [said.rounds, ...said.lines.map((one) => one.values)], box);
  return () => drawn.destroy();
};

// What was drawn in boxes that a page has replaced meanwhile goes with them.
let there = [];

const draw = (within) => {
  there = there.filter(([box, end]) => box.isConnected || end());
  for (const [selector, how] of [["[data-network]", network], ["[data-curves]", curves]]) {
    for (const box of within.querySelectorAll(`${selector}[hidden]`)) {
      box.hidden = false;
      there.push([box, how(box)]);
      const still = box.parentElement.querySelector("[data-still]");
      if (still) still.hidden = true;
    }
  }
};

draw(document);
document.addEventListener("htmx:load", (event) => draw(event.detail.elt.parentElement || document));
