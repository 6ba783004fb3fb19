"use strict";

// The index of the page: `runs`, each with activation, lr, seed, group (the study and all settings that
// vary), factors (the numeric ones of these, by name), variant (the study and the others), outcome,
// learned (how many runs of its cell did), final (per cent, or null) and names (of the layers of a user's
// own network); `factors`, their names in words; `panels`, from the top; `first`, how many units of a
// layer are drawn if not all are.
const index = JSON.parse(document.getElementById("index").textContent);

const SIDES = ["a", "b"];
const PARTS = ["activation", "lr", "seed", "group"]; // of a run's key
const FACTORS = Object.keys(index.factors);
const CHOICES = ["variant", ...FACTORS, "activation", "lr", "seed"]; // a menu each
const [FIRST, OUTPUT] = ["1", "-1"]; // keys of layers; another hidden layer's is its number
const NEVER = -1;
const FATES = ["dead", "saturated", "silent", "flat"]; // of several the first is shown
const INACTIVE = { dead: { dash: "dot", symbol: "x" }, saturated: { dash: "dashdot", symbol: "diamond" } };
const FILMED = { weight_mean: "mean weight", active: "active (share)" };
const BINS = 25; // divides the number of levels of a line
const COLUMN = 0.9; // of the width that a layer has in the film
const FRAME_MS = 150;
const NARROW = window.matchMedia("(max-width: 44rem)");
const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const PLOT = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["select2d", "lasso2d"] };

// What the page shows and its address holds: two runs, by key; the highlighted unit, as "1/3"
// (layer/unit), or "" for all; which lines; the layer of the panels; the film's step,
// null for the last one.
const USUAL = { unit: "", lines: "first", layer: FIRST, step: null };
const state = { a: "", b: "", ...USUAL };
const film = { steps: [], timer: null }; // every step at which either of the two runs has a point

const byId = (id) => document.getElementById(id);
const distinct = (values) => [...new Set(values)];
const mapValues = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value, name)]));

// --- runs --------------------------------------------------------------------------------------

const keyOf = (run) => PARTS.map((part) => run[part]).filter(Boolean).map(encodeURIComponent).join("/");
const numbers = new Map(index.runs.map((run, number) => [keyOf(run), number]));
const groups = distinct(index.runs.map((run) => run.group));
const runAt = (side) => index.runs[numbers.get(state[side])];

function partsOf(key) {
  const values = key.split("/").map(decoded);
  return Object.fromEntries(PARTS.map((part, place) => [part, values[place] ?? ""]));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // an address typed by hand
  }
}

/** The value of each menu for a run, or for a key without a run. */
function choicesOf(key) {
  const { variant, factors } = index.runs.find((run) => run.group === partsOf(key).group);
  return { ...partsOf(key), variant, ...factors };
}

const choiceOf = (run, name) => run[name] ?? run.factors[name];

/** The key with one choice changed. Other activations and settings may have been trained at other rates. */
function keyWith(key, name, value) {
  const wanted = { ...choicesOf(key), [name]: value };
  return name === "lr" || name === "seed" ? keyOf(wanted) : keyOf(mostSimilar(wanted, name));
}

/** The run that has this choice and most of the others; the first menus weigh more. */
function mostSimilar(wanted, name) {
  const similarity = (run) => CHOICES.map((each) => Number(choiceOf(run, each) === wanted[each])).join("");
  const candidates = index.runs.filter((run) => choiceOf(run, name) === wanted[name]);
  return candidates.reduce((best, run) => (similarity(run) > similarity(best) ? run : best));
}

/** The key in an address; an unknown group becomes the first. */
function keyFrom(text) {
  const parts = partsOf(text);
  return keyOf({ ...parts, group: groups.includes(parts.group) ? parts.group : groups[0] });
}

const opening = () => index.runs.find((run) => run.outcome === "failed") ?? index.runs[0];

/** The run to compare with: the most similar one with another outcome. */
function counterpart(run) {
  const similarity = (other) =>
    8 * (other.group === run.group) +
    4 * (other.activation === run.activation) +
    2 * (other.outcome !== run.outcome) +
    (other.seed === run.seed);
  const others = index.runs.filter((other) => other !== run);
  const closer = (best, other) => (similarity(other) > similarity(best) ? other : best);
  return others.reduce(closer, others[0] ?? run);
}

// --- a run's series ----------------------------------------------------------------------------

const unpacked = new Map();

/** The series of the run on a side, unpacked at first use; null if there is no such run. */
async function seriesAt(side) {
  const number = numbers.get(state[side]);
  if (number === undefined) return null;
  if (!unpacked.has(number)) unpacked.set(number, unpack(byId(`run-${number}`).textContent));
  return unpacked.get(number);
}

const bothSeries = () => Promise.all(SIDES.map(seriesAt));

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return unfold(JSON.parse(await new Response(inflated).text()));
}

/** Turn differences into values: the metric as it is shown, activity as a share. */
function unfold({ metric, high, steps, layers }) {
  const unfolded = mapValues(layers, unfoldLayer);
  return {
    metric: mapValues(metric, ({ steps, levels }) => ({
      steps: summed(steps),
      values: summed(levels).map((level) => (level * high) / index.metric.levels),
    })),
    steps: summed(steps),
    layers: unfolded,
    bins: mapValues(FILMED, (_, quantity) => binsOf(unfolded, quantity)),
  };
}

function unfoldLayer({ number, lines, since }) {
  const values = mapValues(lines, scaled);
  const units = values.bias.length;
  return { number, units, since, lines: values };
}

function scaled({ low, high, parts, levels }) {
  const value = (level) => low + (level / parts) * (high - low);
  return levels.map((line) => summed(line).map(value));
}

function summed(differences) {
  let sum = 0;
  return differences.map((difference) => (sum += difference));
}

// --- layers ------------------------------------------------------------------------------------

/** The layer that a panel shows; the panels of the output layer always show that one. */
const keyOfPanel = ({ layer }) => (layer === OUTPUT || state.layer === OUTPUT ? layer : state.layer);

/** The layers of both runs, the output layer last. */
function layersOf(both) {
  const hidden = distinct(both.flatMap(hiddenLayersOf)).sort((one, other) => one - other);
  return hidden.length > 0 ? [...hidden, OUTPUT] : [FIRST, OUTPUT];
}

const hiddenLayersOf = (series) => Object.keys(series?.layers ?? {}).filter((key) => key !== OUTPUT);

/** A layer in words, with its name in a user's own network if both runs call it so. */
function layerName(key) {
  if (key === OUTPUT) return "output layer";
  const names = distinct(SIDES.map((side) => runAt(side)?.names[key - 1] ?? ""));
  return `layer ${key}${names.length === 1 && names[0] !== "" ? ` (${names[0]})` : ""}`;
}

function fillLayers(both) {
  const keys = layersOf(both);
  byId("layer").replaceChildren(...keys.map((key) => new Option(layerName(key), key)));
  if (!keys.includes(state.layer)) state.layer = USUAL.layer;
  byId("layer").value = state.layer;
}

// --- fates of units ----------------------------------------------------------------------------

const hasFates = (layer) => "flat" in layer.since;

/** The first fate that a unit has, and since when; null if it has none or none is known. */
function fateOf(layer, unit) {
  const name = FATES.find((fate) => (layer.since[fate]?.[unit] ?? NEVER) !== NEVER);
  return name === undefined ? null : { name, since: layer.since[name][unit] };
}

function isInactive(layer, unit, step) {
  const fate = fateOf(layer, unit);
  return fate !== null && fate.name in INACTIVE && fate.since <= step;
}

function fateInWords(layer, unit) {
  if (!hasFates(layer)) return "fate unknown";
  const fate = fateOf(layer, unit);
  return fate === null ? "alive" : `${fate.name} since step ${fate.since}`;
}

function layerInWords(layer) {
  if (!hasFates(layer)) return "The fates of its units are unknown.";
  const fates = layer.since.flat.map((_, unit) => fateOf(layer, unit)?.name);
  const count = (fate) => fates.filter((one) => one === fate).length;
  return `Layer ${layer.number}: ${count("dead")} of ${fates.length} units dead, ${count("saturated")} more saturated.`;
}

// --- panels ------------------------------------------------------------------------------------

async function drawPanels(side, series) {
  const div = byId(`panels-${side}`);
  const panels = series === null ? [] : index.panels;
  const traces = panels.flatMap((panel, place) => tracesOf(panel, place, series));
  await redraw(div, traces, panelLayout(series), PLOT);
  div.removeAllListeners("plotly_click");
  div.on("plotly_click", ({ points }) => toggleUnit(points[0].data.meta?.unit));
}

/** Draw, after hovers that wait are cancelled: the panel that they point at may be gone by then. */
function redraw(div, traces, layout, plot) {
  if (div.layout !== undefined) Plotly.Fx.unhover(div);
  return Plotly.react(div, traces, layout, plot);
}

function toggleUnit(unit) {
  if (unit !== undefined) change({ unit: state.unit === unit ? "" : unit });
}

function tracesOf(panel, place, series) {
  const traces = panel.quantity === "metric" ? metricTraces(series) : unitTraces(panel, series);
  return traces.map((trace) => ({ ...trace, type: "scatter", yaxis: axisName("y", place) }));
}

function metricTraces({ metric }) {
  const [blue, , , , red] = palette();
  return [
    metricTrace("training", metric.train, { color: blue, dash: "solid", width: 1.6 }),
    metricTrace("test", metric.test, { color: red, dash: "dash", width: 1.6 }),
  ];
}

function metricTrace(name, { steps, values }, line) {
  const { words, unit, decimals } = index.metric;
  const hovertemplate = `${name} ${words}<br>step %{x}: %{y:.${decimals - 1}f}${unit}<extra></extra>`;
  return { x: steps, y: values, mode: modeOf(steps), line, hovertemplate };
}

function unitTraces(panel, series) {
  const key = keyOfPanel(panel);
  const layer = series.layers[key];
  if (layer === undefined) return [];
  const units = layer.lines[panel.quantity].map((values, unit) => ({ values, unit }));
  const shown = units.filter(({ unit }) => isShown(key, unit));
  const { steps } = series;
  return shown.flatMap(({ values, unit }) => tracesOfUnit(panel, layer, unit, { steps, values }));
}

const isShown = (layer, unit) =>
  state.lines === "all" || unit < index.first || state.unit === `${layer}/${unit}`;

/** A unit's line in a panel; two parts for a dead or saturated unit: before and after. */
function tracesOfUnit(panel, layer, unit, { steps, values }) {
  const isShare = panel.quantity === "active";
  const line = { steps, values: isShare ? values.map((share) => 100 * share) : values };
  const about = {
    meta: { unit: `${keyOfPanel(panel)}/${unit}` },
    opacity: opacityOf(`${keyOfPanel(panel)}/${unit}`),
    hovertemplate:
      `layer ${layer.number}, unit ${unit}: ${fateInWords(layer, unit)}<br>` +
      `step %{x}: %{y:.3~g}${isShare ? " %" : ""}<extra></extra>`,
  };
  const fate = fateOf(layer, unit);
  if (fate === null || !(fate.name in INACTIVE)) return [{ ...about, ...activeLine(line, unit) }];
  const [before, since] = splitLine(line, fate.since);
  return [{ ...about, ...activeLine(before, unit) }, { ...about, ...inactiveLine(since, fate.name) }];
}

function opacityOf(unit) {
  if (state.unit === "") return 0.9;
  return state.unit === unit ? 1 : 0.12;
}

/** A line with one point is drawn as a dot. */
const modeOf = (steps) => (steps.length > 1 ? "lines" : "markers");

function activeLine({ steps, values }, unit) {
  const colours = palette();
  const dash = Math.floor(unit / colours.length) % 2 === 0 ? "solid" : "dash";
  const color = colours[unit % colours.length];
  return { x: steps, y: values, mode: modeOf(steps), line: { color, dash, width: 1.5 }, marker: { color } };
}

function inactiveLine({ steps, values }, fate) {
  const { dash, symbol } = INACTIVE[fate];
  const color = ink("inactive");
  const size = steps.map((_, place) => (place === 0 ? 8 : 0));
  const marker = { symbol, size, color, opacity: 1, line: { width: 0 } };
  return { x: steps, y: values, mode: "lines+markers", line: { color, dash, width: 1.4 }, marker };
}

/** Split a line at a step; both parts have a point there. */
function splitLine({ steps, values }, step) {
  const later = steps.findIndex((other) => other > step);
  const end = later === -1 ? steps.length : later;
  const value = valueAt({ steps, values }, step);
  return [
    { steps: [...steps.slice(0, end), step], values: [...values.slice(0, end), value] },
    { steps: [step, ...steps.slice(end)], values: [value, ...values.slice(end)] },
  ];
}

/** Value of a line at a step, by linear interpolation. */
function valueAt({ steps, values }, step) {
  const after = steps.findIndex((other) => other >= step);
  if (after === -1) return values.at(-1);
  if (after === 0) return values[0];
  const share = (step - steps[after - 1]) / (steps[after] - steps[after - 1]);
  return values[after - 1] + share * (values[after] - values[after - 1]);
}

// --- style of plots ----------------------------------------------------------------------------

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const palette = () => [ink("blue"), "#E69F00", "#009E73", "#CC79A7", "#D55E00"]; // Okabe and Ito's
const axisName = (letter, place) => (place === 0 ? letter : `${letter}${place + 1}`);
const axisKey = (letter, place) => axisName(`${letter}axis`, place);

function plotLook() {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    showlegend: false,
    hovermode: "closest",
    font: { color: ink("text"), size: 11, family: "system-ui, sans-serif" },
    hoverlabel: { font: { size: 13 } },
    dragmode: NARROW.matches ? false : "zoom", // touching a plot must scroll the page
  };
}

const axisLook = () => ({ gridcolor: ink("line"), zerolinecolor: ink("line"), linecolor: ink("faint") });

function panelLayout(series) {
  const gap = 0.042;
  const height = (1 - gap * (index.panels.length - 1)) / index.panels.length;
  const tops = index.panels.map((_, place) => 1 - place * (height + gap));
  const axes = index.panels.map((panel, place) => {
    const domain = [Math.max(0, tops[place] - height), tops[place]];
    return [axisKey("y", place), { ...axisLook(), domain, ...rangeOf(panel) }];
  });
  return {
    ...plotLook(),
    ...Object.fromEntries(axes),
    margin: { l: 52, r: 8, t: 24, b: 40 },
    xaxis: stepAxis(),
    annotations: index.panels.map((panel, place) => titleOf(panel, tops[place], series)),
    shapes: cursor(),
  };
}

function rangeOf({ quantity }) {
  const top = { metric: index.metric.top, active: 103 }[quantity] ?? null;
  return top === null ? {} : { range: [(-3 * top) / 103, top] };
}

function stepAxis() {
  return {
    ...axisLook(),
    anchor: axisName("y", index.panels.length - 1),
    title: { text: "step", standoff: 6 },
    range: [0, 1.02 * (film.steps.at(-1) ?? 1)], // the same on both sides
    showspikes: true,
    spikemode: "across",
    spikethickness: 1,
    spikedash: "dot",
    spikecolor: ink("faint"),
  };
}

function titleOf(panel, top, series) {
  const isMetric = panel.quantity === "metric";
  const isEmpty = series !== null && series.steps.length === 0;
  const lines = `: training solid, test dashed${index.metric.note}`;
  const note = isMetric ? lines : isEmpty ? ": nothing recorded" : "";
  return {
    text: panel.title.replace("layer 1", layerName(keyOfPanel(panel))) + note,
    xref: "paper",
    yref: "paper",
    x: 0,
    y: top,
    xanchor: "left",
    yanchor: "bottom",
    showarrow: false,
    font: { size: 12, color: ink("text") },
  };
}

/** A vertical line at the film's step, through all panels. */
function cursor() {
  if (state.step === null) return [];
  const place = { xref: "x", x0: state.step, x1: state.step, yref: "paper", y0: 0, y1: 1 };
  return [{ type: "line", ...place, line: { color: ink("accent"), width: 1.5 } }];
}

// --- film --------------------------------------------------------------------------------------

const shownStep = () => state.step ?? film.steps.at(-1) ?? 0;
const lastPlace = (steps) => steps.findLastIndex((step) => step <= shownStep());

async function drawScene(side, series) {
  const place = series === null ? -1 : lastPlace(series.steps);
  const step = place === -1 ? 0 : series.steps[place];
  const keys = place === -1 ? [] : hiddenLayersOf(series);
  byId(`${side}-scene`).textContent = sceneInWords(series, keys, step);
  const quantities = keys.length === 0 ? [] : Object.keys(FILMED);
  const traces = quantities.flatMap((name, row) => histograms(series, name, place, row));
  const plot = { ...PLOT, displayModeBar: false };
  await redraw(byId(`film-${side}`), traces, sceneLayout(keys, series, step), plot);
}

function sceneInWords(series, keys, step) {
  if (keys.length === 0) return "No record up to this step.";
  const known = keys.map((key) => series.layers[key]).filter(hasFates);
  const units = sumOf(known, (layer) => layer.units);
  const inactive = sumOf(known, (layer) => countInactive(layer, step));
  const fates = `${inactive} of the ${units} units shown are dead or saturated by this step (hatched).`;
  return `Step ${step}: ${known.length > 0 ? fates : "the fates of the units are unknown."}`;
}

const sumOf = (values, measure) => values.reduce((sum, value) => sum + measure(value), 0);
const countInactive = (layer, step) =>
  layer.lines.bias.filter((_, unit) => isInactive(layer, unit, step)).length;

/** The bins of a quantity, for all hidden layers and steps; `most`: by layer, the most units in a bin. */
function binsOf(layers, quantity) {
  const hidden = Object.entries(layers).filter(([key]) => key !== OUTPUT);
  const lines = mapValues(Object.fromEntries(hidden), (layer) => layer.lines[quantity]);
  const [low, high] = quantity === "active" ? [0, 1] : limitsOf(Object.values(lines).flat(2));
  const bins = { low, width: (high - low || 1) / BINS };
  const fullest = (own) => own[0].map((_, place) => Math.max(...counted(own, bins, place, () => true)));
  return { ...bins, most: mapValues(lines, (own) => Math.max(...fullest(own))) };
}

function limitsOf(values) {
  const widen = ([low, high], value) => [Math.min(low, value), Math.max(high, value)];
  return values.reduce(widen, [Infinity, -Infinity]);
}

function counted(lines, { low, width }, place, isCounted) {
  const counts = new Array(BINS).fill(0);
  lines.forEach((values, unit) => {
    const bin = Math.floor((values[place] - low) / width + 1e-6); // a value on a border counts above it
    if (isCounted(unit)) counts[Math.min(BINS - 1, bin)] += 1;
  });
  return counts;
}

/** A column for each hidden layer: bars of the active units in a bin, then of those inactive by this step. */
function histograms(series, quantity, place, row) {
  const step = series.steps[place];
  const bins = series.bins[quantity];
  const columns = hiddenLayersOf(series).map((key, column) => {
    const layer = series.layers[key];
    const count = (isCounted) => counted(layer.lines[quantity], bins, place, isCounted);
    const inactive = count((unit) => isInactive(layer, unit, step));
    const active = count((unit) => !isInactive(layer, unit, step));
    return { key, column, active, inactive, scale: COLUMN / bins.most[key] };
  });
  const centres = Array.from({ length: BINS }, (_, bin) => bins.low + (bin + 0.5) * bins.width);
  const bars = (marker, part, isBehind) => ({
    type: "bar",
    orientation: "h",
    marker: { ...marker, line: { width: 0 } },
    x: columns.flatMap((own) => own[part].map((count) => count * own.scale)),
    base: columns.flatMap((own) => own.active.map((count) => own.column + isBehind * count * own.scale)),
    y: columns.flatMap(() => centres),
    customdata: columns.flatMap((own) => own[part].map((count) => [count, layerName(own.key)])),
    width: bins.width,
    xaxis: axisName("x", row),
    yaxis: axisName("y", row),
    hovertemplate: "%{customdata[1]}: %{customdata[0]} units at %{y:.3~g}<extra></extra>",
  });
  return [
    bars({ color: ink("blue") }, "active", false),
    bars({ color: ink("inactive"), pattern: { shape: "/", size: 4 } }, "inactive", true),
  ];
}

function sceneLayout(keys, series, step) {
  const axes = Object.keys(FILMED).flatMap((quantity, row) => [
    [axisKey("x", row), columnAxis(keys, series, step, row)],
    [axisKey("y", row), valueAxis(quantity, series, row)],
  ]);
  const bars = { barmode: "overlay", bargap: 0, dragmode: false };
  return { ...plotLook(), ...Object.fromEntries(axes), ...bars, margin: { l: 52, r: 8, t: 8, b: 60 } };
}

/** The axis of the layers' columns; only that of the lower row has texts. */
function columnAxis(keys, series, step, row) {
  const title = { text: "hidden layer", standoff: 4 };
  const named = { ticktext: keys.map(columnName(series, step)), title };
  return {
    ...axisLook(),
    anchor: axisName("y", row),
    range: [-0.05, keys.length],
    showgrid: false,
    zeroline: false,
    minor: { tickvals: keys.map((_, column) => column), showgrid: true, gridcolor: ink("line") },
    tickvals: keys.map((_, column) => column + COLUMN / 2),
    tickangle: 0,
    ...(row === 0 ? { showticklabels: false } : named),
  };
}

function valueAxis(quantity, series, row) {
  const { low, width } = series?.bins[quantity] ?? { low: 0, width: 1 / BINS };
  const gap = 0.08;
  const bottom = row === 0 ? (1 + gap) / 2 : 0;
  return {
    ...axisLook(),
    anchor: axisName("x", row),
    domain: [bottom, bottom + (1 - gap) / 2],
    nticks: 6,
    range: [low, low + BINS * width],
    title: { text: FILMED[quantity], standoff: 6 },
  };
}

/** The text below a layer's column: its number, and how many of its units are inactive. */
const columnName = (series, step) => (key) => {
  const layer = series.layers[key];
  const inactive = hasFates(layer) ? `<br>${countInactive(layer, step)}/${layer.units}` : "";
  return `${layer.number}${inactive}`;
};

async function moveTo(place) {
  state.step = film.steps[place] ?? null;
  showStep();
  const both = await bothSeries();
  await Promise.all(
    SIDES.flatMap((side, number) => [
      drawScene(side, both[number]),
      Plotly.relayout(byId(`panels-${side}`), { shapes: cursor() }),
    ]),
  );
}

function play() {
  if (Number(byId("step").value) >= film.steps.length - 1) moveTo(0);
  film.timer = setInterval(playOn, FRAME_MS);
  byId("play").textContent = "Pause";
}

function playOn() {
  const next = Number(byId("step").value) + 1;
  if (next < film.steps.length) moveTo(next);
  else pause();
}

function pause() {
  clearInterval(film.timer);
  film.timer = null;
  byId("play").textContent = "Play";
  writeAddress();
}

function showStep() {
  const slider = byId("step");
  slider.max = Math.max(0, film.steps.length - 1);
  slider.value = Math.max(0, lastPlace(film.steps));
  slider.setAttribute("aria-valuetext", `step ${shownStep()}`);
  byId("at").textContent = `step ${shownStep()}`;
}

// --- menus and summaries -----------------------------------------------------------------------

function fillChoices(side) {
  const chosen = choicesOf(state[side]);
  for (const name of CHOICES) {
    const values = valuesOf(name, chosen);
    if (name !== "activation" && name !== "variant") values.sort((one, other) => one - other);
    const select = byId(`${side}-${name}`);
    select.replaceChildren(...values.map((value) => new Option(value || "–", value)));
    select.value = chosen[name];
    select.parentElement.hidden = !PARTS.includes(name) && values.length < 2;
  }
}

/** The values of a choice: of all runs, of the runs of this variant, or of this group. */
function valuesOf(name, chosen) {
  const within = name === "variant" ? null : PARTS.includes(name) ? "group" : "variant";
  const runs = index.runs.filter((run) => within === null || run[within] === chosen[within]);
  return distinct(runs.map((run) => choiceOf(run, name))).filter((value) => value !== undefined);
}

function fillUnits(both) {
  const select = byId("unit");
  select.replaceChildren(new Option("all", ""), ...layersOf(both).map((key) => unitsOf(key, both)));
  select.value = state.unit;
  if (select.selectedIndex === -1) select.value = state.unit = ""; // neither run has this unit
}

/** The menu entries of a layer's units. */
function unitsOf(key, both) {
  const layers = both.map((series) => series?.layers[key]);
  const units = Math.max(...layers.map((layer) => layer?.units ?? 0));
  const group = document.createElement("optgroup");
  group.label = layerName(key);
  for (let unit = 0; unit < units; unit += 1) {
    group.append(new Option(unitInWords(layers, unit), `${key}/${unit}`));
  }
  return group;
}

function unitInWords(layers, unit) {
  const isThere = (layer) => unit < (layer?.units ?? 0);
  const fates = layers.map((layer) => (isThere(layer) ? fateInWords(layer, unit) : "no such unit"));
  return `unit ${unit} – A: ${fates[0]}; B: ${fates[1]}`;
}

function describeRun(side, series) {
  const { activation, lr, seed, variant, ...others } = choicesOf(state[side]);
  const factors = FACTORS.filter((name) => name in others);
  const settings = factors.map((name) => `${index.factors[name]} ${others[name]}`);
  const point = [activation, `learning rate ${lr}`, `seed ${seed}`, ...settings, variant];
  byId(`${side}-name`).textContent = `${side.toUpperCase()}: ${point.filter(Boolean).join(", ")}`;
  byId(`${side}-summary`).textContent = runInWords(runAt(side), series);
}

function runInWords(run, series) {
  if (series === null) return "This point has no finished run.";
  const { words, unit } = index.metric;
  const final = run.final === null ? "" : `, final test ${words} ${run.final}${unit}`;
  const layer = series.layers[keyOfPanel({ layer: FIRST })];
  const units = layer === undefined ? "Its units were not recorded." : layerInWords(layer);
  const cell = `${run.learned} runs of this activation and rate learned.`;
  return `This run ${run.outcome}${final}. ${cell} ${units}`;
}

// --- the address -------------------------------------------------------------------------------

function readAddress() {
  const pairs = location.hash.slice(1).split("&").map((pair) => /^([^=]*)=?(.*)$/.exec(pair).slice(1));
  const given = Object.fromEntries(pairs);
  const keyAt = (side, usual) => (given[side] === undefined ? keyOf(usual()) : keyFrom(given[side]));
  const a = keyAt("a", () => index.runs.find((run) => run.point === given.point) ?? opening());
  const step = Number.parseInt(given.step, 10);
  Object.assign(state, {
    a,
    b: keyAt("b", () => counterpart(index.runs[numbers.get(a)] ?? opening())),
    unit: given.unit ?? USUAL.unit,
    lines: given.lines === "all" ? "all" : USUAL.lines,
    layer: given.layer ?? USUAL.layer,
    step: Number.isNaN(step) ? USUAL.step : step,
  });
}

function writeAddress() {
  const changed = Object.entries(state).filter(([name, value]) => value !== USUAL[name]);
  history.replaceState(null, "", `#${changed.map(([name, value]) => `${name}=${value}`).join("&")}`);
}

// --- the whole page ----------------------------------------------------------------------------

let turns = 0;

async function show() {
  const turn = (turns += 1);
  const main = document.querySelector("main");
  main.setAttribute("aria-busy", "true");
  const both = await bothSeries();
  if (turn !== turns) return; // a later choice replaces this one
  film.steps = distinct(both.flatMap((series) => series?.steps ?? [])).sort((one, other) => one - other);
  showStep();
  fillLayers(both);
  fillUnits(both);
  byId("lines").value = state.lines;
  for (const [number, side] of SIDES.entries()) {
    fillChoices(side);
    describeRun(side, both[number]);
    await drawPanels(side, both[number]);
    await drawScene(side, both[number]);
  }
  if (turn !== turns) return;
  main.setAttribute("aria-busy", "false");
  performance.mark("drawn"); // docs/opening_time.py waits for the first
}

function change(choice) {
  Object.assign(state, choice);
  writeAddress();
  return show();
}

function start() {
  readAddress();
  return show();
}

function listen() {
  for (const side of SIDES) {
    for (const name of CHOICES) {
      byId(`${side}-${name}`).addEventListener("change", ({ target }) =>
        change({ [side]: keyWith(state[side], name, target.value) }),
      );
    }
  }
  for (const name of ["unit", "lines", "layer"]) {
    byId(name).addEventListener("change", ({ target }) => change({ [name]: target.value }));
  }
  byId("step").addEventListener("input", ({ target }) => moveTo(Number(target.value)));
  byId("step").addEventListener("change", writeAddress);
  byId("play").addEventListener("click", () => (film.timer === null ? play() : pause()));
  document.addEventListener("keydown", ({ key }) => key === "Escape" && change({ unit: "" }));
  window.addEventListener("hashchange", start);
  for (const query of [DARK, NARROW]) query.addEventListener("change", show);
}

listen();
start();
