// Draws a state of the drive: pictures with overlay and trust, instruments, the scene from above.

const style = getComputedStyle(document.documentElement);
const color = (name) => style.getPropertyValue(`--${name}`);

function element(tag, className, parent) {
  const made = document.createElement(tag);
  made.className = className;
  parent.append(made);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function matchPixels(canvas) {
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((size) => Math.max(1, Math.round(size * scale)));
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  return canvas.getContext("2d", { alpha: false });
}

/** A world's picture. */
export class View {
  constructor(parent) {
    this.box = element("div", "view", parent);
    this.canvas = element("canvas", "", this.box);
    this.name = element("div", "name", this.box);
    this.banner = element("div", "banner", this.box);
    this.rec = element("div", "rec", this.box);
    this.rec.textContent = "● REC";
  }

  draw(view, bitmap, status, numViews) {
    const context = matchPixels(this.canvas);
    const { width, height } = this.canvas;
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, width, height);
    if (view.overlay) this.drawOverlay(context, view);
    if (!view.trusted) {
      context.strokeStyle = color("alarm");
      context.lineWidth = 12;
      context.strokeRect(0, 0, width, height);
    }
    setText(this.name, view.world);
    this.name.hidden = numViews < 2;
    this.rec.hidden = !status.recording;
    const ended = Boolean(view.ended && status.paused);
    this.banner.hidden = !status.paused;
    this.banner.classList.toggle("ended", ended);
    const why = view.ended.charAt(0).toUpperCase() + view.ended.slice(1);
    setText(this.banner, ended ? `${why}\nR again   B back 2 s   P go on` : "Paused   P go on   N one step");
  }

  drawOverlay(context, view) {
    const [across, down] = [this.canvas.width / view.size[0], this.canvas.height / view.size[1]];
    const stroke = (lines, tint) => {
      context.strokeStyle = tint;
      context.lineWidth = 1.5;
      context.beginPath();
      for (const [start, end] of lines) {
        context.moveTo(start[0] * across, start[1] * down);
        context.lineTo(end[0] * across, end[1] * down);
      }
      context.stroke();
    };
    stroke(view.overlay.lane, color("accent"));
    context.font = "14px system-ui, sans-serif";
    context.textAlign = "center";
    for (const item of view.overlay.objects) {
      stroke(item.lines, color(`object-${item.kind}`));
      const ends = item.lines.flat();
      const x = ends.reduce((sum, end) => sum + end[0], 0) / ends.length;
      context.fillStyle = color(`object-${item.kind}`);
      context.fillText(item.label, x * across, Math.min(...ends.map((end) => end[1])) * down - 3);
    }
  }
}

/** A world's instruments. */
export class Column {
  constructor(parent) {
    this.box = element("div", "column", parent);
    this.title = element("h2", "", this.box);
    const line = element("div", "speed", this.box);
    const left = element("span", "", line);
    this.speed = element("b", "", left);
    element("small", "", left).textContent = "km/h";
    this.limit = element("div", "limit", line);
    this.rows = [];
    this.list = element("div", "", this.box);
    this.map = element("canvas", "", this.box);
  }

  draw(view) {
    setText(this.title, view.world);
    setText(this.speed, view.speedometer.speed);
    setText(this.limit, view.speedometer.limit);
    this.limit.hidden = !view.speedometer.limit;
    this.limit.classList.toggle("over", view.speedometer.over);
    view.readouts.forEach((readout, i) => {
      this.rows[i] ??= this.addRow();
      this.drawReadout(this.rows[i], readout);
    });
    this.drawMap(view.map);
  }

  addRow() {
    const box = element("div", "readout", this.list);
    const [label, text] = [element("span", "label", box), element("span", "text", box)];
    const track = element("div", "track", box);
    return { box, label, text, fill: element("div", "fill", track), dot: document.createElement("span") };
  }

  drawReadout(row, { label, text, level, signed, alarm, signal }) {
    setText(row.label, label);
    row.box.classList.toggle("alarm", alarm);
    if (row.shown !== signal + text) {
      row.shown = signal + text;
      row.dot.textContent = signal ? "● " : "";
      row.dot.style.color = color(`signal-${signal}`);
      row.text.replaceChildren(row.dot, text);
    }
    const share = level === null ? 0 : signed ? -level / 2 : level;
    const from = signed ? Math.min(0.5, 0.5 + share) : 0;
    row.fill.style.left = `${100 * from}%`;
    row.fill.style.width = `${100 * Math.abs(share)}%`;
  }

  drawMap(map) {
    const context = matchPixels(this.map);
    const { width, height } = this.map;
    const trace = (points) => {
      context.beginPath();
      for (const [x, y] of points) context.lineTo(width / 2 + x * height, y * height);
    };
    const fill = (points, tint) => {
      trace(points);
      context.fillStyle = tint;
      context.fill();
    };
    context.fillStyle = color("background");
    context.fillRect(0, 0, width, height);
    fill(map.lane, color("raised"));
    trace(map.route);
    context.strokeStyle = color("accent");
    context.stroke();
    for (const item of map.objects) fill(item.corners, color(`object-${item.kind}`));
    fill(map.ego, color("text"));
  }
}

/** Makes the pictures as large as fits, beside or above each other, whichever makes them larger. */
export function fitViews(area, views, [width, height]) {
  const narrow = window.matchMedia("(max-width: 760px)").matches && !document.body.classList.contains("clean");
  const [space, gap, n] = [[area.clientWidth, narrow ? Infinity : area.clientHeight], 8, views.length];
  const scale = (columns, rows) =>
    Math.min((space[0] - gap * (columns - 1)) / (columns * width), (space[1] - gap * (rows - 1)) / (rows * height));
  const best = Math.max(Math.max(scale(n, 1), narrow ? 0 : scale(1, n)), 0.01);
  for (const view of views) {
    view.box.style.width = `${Math.floor(width * best)}px`;
    view.box.style.height = `${Math.floor(height * best)}px`;
  }
}
