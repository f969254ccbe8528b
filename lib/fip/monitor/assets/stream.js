// What each worker did in the last minute: waited, imaged, handed on.

const SPAN = 60; // s
const known = new Map(); // worker -> its tasks, by slice and start

/** Takes the tasks that a state tells of. */
export function collect(state) {
  for (const worker of state.workers) {
    const name = `${worker.status.host}/${worker.status.name}`;
    if (!known.has(name)) known.set(name, new Map());
    const tasks = known.get(name);
    for (const task of worker.tasks) tasks.set(`${task.run} ${task.index} ${task.began}`, task);
    for (const [key, task] of tasks) if (task.began + task.image + task.hand_on < state.time - SPAN - 5) tasks.delete(key);
  }
  const there = new Set(state.workers.map((worker) => `${worker.status.host}/${worker.status.name}`));
  for (const name of known.keys()) if (!there.has(name)) known.delete(name);
}

export function drawStream(canvas, state) {
  const names = [...known.keys()].sort(), ratio = window.devicePixelRatio || 1, width = canvas.clientWidth;
  const row = names.length > 24 ? 8 : 18, left = names.length > 24 ? 0 : 92, height = Math.max(40, names.length * row + 20);
  canvas.style.height = `${height}px`;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const brush = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const [idle, busy, blocked, muted, line] = ["idle", "busy", "blocked", "muted", "line"].map(colour);
  brush.scale(ratio, ratio);
  brush.font = "11px system-ui, sans-serif";
  const now = state.time, x = (time) => left + ((time - now + SPAN) / SPAN) * (width - left);
  brush.fillStyle = muted;
  for (let ago = 0; ago <= SPAN; ago += 10) {
    const at = x(now - ago);
    brush.textAlign = ago === 0 ? "right" : "center";
    brush.fillText(ago ? `−${ago} s` : "now", at, height - 5);
    brush.fillStyle = line;
    brush.fillRect(at, 0, 1, height - 18);
    brush.fillStyle = muted;
  }
  const piece = (from, seconds, y, fill, high) => {
    const begin = Math.max(x(from), left), end = Math.min(x(from + seconds), width);
    if (end <= begin) return;
    brush.fillStyle = fill;
    brush.fillRect(begin, y, Math.max(end - begin, 0.75), high);
  };
  names.forEach((name, k) => {
    const y = k * row + 2, high = row - (row > 10 ? 5 : 2);
    const worker = state.workers.find((each) => `${each.status.host}/${each.status.name}` === name);
    if (left) {
      brush.fillStyle = muted;
      brush.textAlign = "left";
      brush.fillText(worker.status.name.slice(0, 14), 0, y + 10);
    }
    for (const task of known.get(name).values()) {
      piece(task.began - task.wait, task.wait, y + high / 3, idle, high / 3);
      piece(task.began, task.image, y, busy, high);
      piece(task.began + task.image, task.hand_on, y, blocked, high);
    }
    if (worker.working && !worker.since) {
      brush.globalAlpha = 0.5;
      piece(now - worker.working_for, worker.working_for, y, busy, high);
      brush.globalAlpha = 1;
    }
  });
}
