// The page of `drivedit play --browser`: draws what the server tells, and tells it what the person does.

import { Column, View, fitViews } from "./drawing.js";
import { Inputs } from "./inputs.js";

const HEADER = 5; // before each JPEG: number of its state, index of its world [bytes]
const RETRY = 1000; // between two attempts to reach the server [ms]
const find = (id) => document.getElementById(id);

let socket = null;
let drives = false;
let receiving = null; // the state whose pictures are still on their way
let ready = null; // the newest state that is whole, not drawn yet
let shown = null; // the state on the screen
let views = [];
let columns = [];
const drawTimes = [];

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

const inputs = new Inputs(send, command);
inputs.follow(find("bar"), "bar", () => false);
find("take").addEventListener("click", () => send({ kind: "take_wheel" }));
find("world").addEventListener("change", (event) => {
  event.target.blur();
  send({ kind: "world", name: event.target.value });
});
find("help").addEventListener("click", () => command("help"));
new ResizeObserver(() => shown && fit()).observe(find("views"));
connect();

function connect() {
  socket = new WebSocket(new URL("socket", location.href.replace(/^http/, "ws")));
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => (typeof data === "string" ? hear(JSON.parse(data)) : takePicture(data));
  socket.onclose = ({ reason }) => {
    drives = false;
    find("watching").hidden = true;
    if (find("lost").hidden) {
      find("lost").textContent =
        `${reason || "The connection is lost"}. Trying again … ` +
        "After another `drivedit play --browser`, open the address that it prints.";
    }
    find("lost").hidden = false;
    setTimeout(connect, RETRY);
  };
}

function hear(message) {
  if (message.kind === "hello") greet(message);
  else if (message.kind === "wheel") {
    drives = message.drives;
    find("watching").hidden = drives;
    if (drives) inputs.tell(true);
  } else receive({ ...message, bitmaps: [] });
}

function greet(hello) {
  find("lost").hidden = true;
  inputs.learn(hello.commands);
  find("help").querySelector("table").replaceChildren(
    ...hello.help.map((cells) => {
      const row = document.createElement("tr");
      for (const cell of cells) row.insertCell().textContent = cell;
      return row;
    }),
  );
  find("buttons").replaceChildren(
    ...hello.buttons.map((button) => {
      const made = document.createElement("button");
      const key = document.createElement("small");
      key.textContent = hello.commands.find(({ name }) => name === button.name).key;
      made.append(key, document.createElement("span"));
      made.tabIndex = -1;
      Object.assign(made.dataset, { name: button.name, label: button.label, activeLabel: button.active_label });
      made.lastChild.textContent = button.label;
      made.addEventListener("pointerdown", (event) => event.preventDefault()); // keys stay with the drive
      made.addEventListener("click", () => command(button.name));
      return made;
    }),
  );
  find("world").replaceChildren(...hello.worlds.map(({ name, title }) => new Option(title, name)));
}

/** A state has come: its pictures follow. */
function receive(state) {
  receiving = state;
  if (!state.views.length) finish(state);
}

async function takePicture(data) {
  const header = new DataView(data);
  const [number, index, state] = [header.getUint32(0, true), header.getUint8(4), receiving];
  if (state?.number !== number) return;
  state.bitmaps[index] = await createImageBitmap(new Blob([data.slice(HEADER)], { type: "image/jpeg" }));
  if (state.views.every((_, i) => state.bitmaps[i])) finish(state);
}

function finish(state) {
  if (ready === null) requestAnimationFrame(draw);
  else for (const bitmap of ready.bitmaps) bitmap.close();
  ready = state;
}

function draw(now) {
  const before = shown;
  [shown, ready] = [ready, null];
  if (shown.views.length !== views.length) {
    find("views").replaceChildren();
    find("columns").replaceChildren();
    views = shown.views.map(() => new View(find("views")));
    columns = shown.views.map(() => new Column(find("columns")));
    views.forEach((view, index) => inputs.follow(view.canvas, "picture", (at) => click(index, at)));
    document.body.classList.toggle("two", views.length > 1);
    fit();
  }
  shown.views.forEach((view, i) => {
    views[i].draw(view, shown.bitmaps[i], shown.status, views.length);
    columns[i].draw(view);
  });
  if (before) for (const bitmap of before.bitmaps) bitmap.close();
  drawLines(now);
  send({ kind: "drawn", number: shown.number });
}

function drawLines(now) {
  const { status } = shown;
  drawTimes.push(now);
  while (now - drawTimes[0] > 2000) drawTimes.shift();
  const rate = (1000 * (drawTimes.length - 1)) / Math.max(now - drawTimes[0], 1);
  find("who").textContent = status.who_drives;
  find("who").classList.toggle("autopilot", status.autopilot);
  find("drive").textContent = shown.drive;
  const pace = status.pace === 1 ? "" : `   pace ${status.pace}`;
  find("times").textContent =
    `step ${(1000 * shown.latency).toFixed(0)} ms   ${status.steps_per_second.toFixed(1)} steps/s` +
    `   ${rate.toFixed(1)} frames/s${pace}`;
  find("knob").style.left = `${50 - 45 * shown.steer}%`;
  find("bar").setAttribute("aria-valuenow", shown.steer.toFixed(2));
  find("world").value = status.world;
  const told = status.busy || status.message || status.tool;
  find("footer").textContent = told || "H help   Tab nothing but the picture   arrows or WASD, space, mouse or finger drive";
  find("footer").classList.toggle("told", Boolean(told));
  const active = {
    pause: status.paused,
    record: status.recording,
    autopilot: status.autopilot,
    help: !find("help").hidden,
  };
  for (const button of find("buttons").children) {
    const on = active[button.dataset.name] ?? false;
    button.classList.toggle("active", on);
    button.lastChild.textContent = on ? button.dataset.activeLabel : button.dataset.label;
    if (button.dataset.name === "autopilot") button.disabled = status.driver === null;
  }
}

function fit() {
  fitViews(find("views"), views, shown.views[0]?.size ?? [1, 1]);
}

function click(index, { x, y }) {
  if (!shown?.status.tool) return false;
  send({ kind: "click", view: index, x: Math.min(Math.max(x, 0), 1), y: Math.min(Math.max(y, 0), 1) });
  return true;
}

function command(name) {
  if (name === "help") find("help").hidden = !find("help").hidden;
  else if (name === "clean") {
    document.body.classList.toggle("clean");
    if (shown) fit();
  } else if (name === "screenshot") savePicture();
  else send({ kind: "command", name });
}

/** The pictures beside each other as a PNG that the browser downloads. */
function savePicture() {
  if (!views.length) return;
  const sheet = new OffscreenCanvas(views.reduce((sum, { canvas }) => sum + canvas.width, 0), views[0].canvas.height);
  let left = 0;
  for (const { canvas } of views) {
    sheet.getContext("2d").drawImage(canvas, left, 0);
    left += canvas.width;
  }
  sheet.convertToBlob().then((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `drive-${shown.status.world}-${shown.number}.png`;
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

let polling = false;
window.addEventListener("gamepadconnected", () => {
  if (!polling) pollPads();
});

function pollPads() {
  polling = navigator.getGamepads().some(Boolean);
  inputs.poll();
  if (polling) requestAnimationFrame(pollPads);
}
