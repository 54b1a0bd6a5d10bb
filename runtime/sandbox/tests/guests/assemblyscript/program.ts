// Uses what WASI serves of AssemblyScript's standard library and prints what it sees.

import {
  clock_time_get,
  clockid,
  errno,
  fd,
  fd_close,
  fd_write,
  iovec,
  lookupflags,
  oflags,
  path_open,
  rights,
} from "@assemblyscript/wasi-shim/assembly/bindings/wasi_snapshot_preview1";

class Shape {
  constructor(public name: string, public area: f64) {}
}

for (let i = 0; i < process.argv.length; i++) console.log("argument: " + process.argv[i]);
console.log("LANGUAGE=" + process.env.get("LANGUAGE"));

const chunk = new ArrayBuffer(64);
let bytes = 0;
for (;;) {
  const count = process.stdin.read(chunk);
  if (count <= 0) break;
  bytes += count;
}
console.log("bytes of standard input: " + bytes.toString());
console.log("text: " + String.UTF8.decode(chunk.slice(0, 5)));

console.log("date: " + new Date(Date.now()).toISOString());
const time = memory.data(8);
if (clock_time_get(clockid.MONOTONIC, 0, time) == errno.SUCCESS) {
  console.log("work has taken time: " + (load<u64>(time) > 0).toString());
}

const shapes = new Map<string, Shape>();
for (let i = 1; i <= 1000; i++) shapes.set("s" + i.toString(), new Shape("shape", i * 1.5));
let area = 0.0;
for (let i = 0, all = shapes.values(); i < all.length; i++) area += all[i].area;
console.log("area: " + area.toString());
console.log([3, 1, 2].sort().map<string>((n) => n.toString()).join(","));

const random = new Uint8Array(16);
crypto.getRandomValues(random);
let set = 0;
for (let i = 0; i < random.length; i++) set += popcnt(random[i]);
console.log("random bits set: " + set.toString());

const path = String.UTF8.encode("made");
const opened = memory.data(4);
const error = path_open(
  3, lookupflags.SYMLINK_FOLLOW, changetype<usize>(path), path.byteLength,
  oflags.CREAT, rights.FD_WRITE, 0, 0, changetype<fd>(opened),
);
console.log("path_open: " + error.toString());
const text = String.UTF8.encode("by AssemblyScript");
const list = memory.data(8);
store<u32>(list, changetype<usize>(text), 0);
store<u32>(list, text.byteLength, 4);
const written = memory.data(4);
console.log("fd_write: " + fd_write(load<fd>(opened), list, 1, written).toString());
console.log("written: " + load<u32>(written).toString());
console.log("fd_close: " + fd_close(load<fd>(opened)).toString());
process.stderr.write("to stderr\n");
process.exit(9);
