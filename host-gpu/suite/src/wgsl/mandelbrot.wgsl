// How many steps each point of a square takes until it is far away.
@group(0) @binding(0) var<storage, read_write> steps: array<u32>;
// Width and height, most steps.
@group(0) @binding(1) var<uniform> size: vec4u;

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= size.x || id.y >= size.x) {
        return;
    }
    let scale = 3.0 / f32(size.x);
    let a = f32(id.x) * scale - 2.25;
    let b = f32(id.y) * scale - 1.5;
    var x = 0.0;
    var y = 0.0;
    var n = 0u;
    loop {
        let xx = x * x;
        let yy = y * y;
        if (n >= size.y || xx + yy > 4.0) {
            break;
        }
        y = (x + x) * y + b;
        x = xx - yy + a;
        n++;
    }
    steps[id.y * size.x + id.x] = n;
}
