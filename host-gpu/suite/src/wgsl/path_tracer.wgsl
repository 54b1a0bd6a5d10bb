// Light among spheres, by paths that end at different bounces.
struct Sphere {
    center: vec3f,
    radius: f32,
    colour: vec3f,
    light: f32,
}
@group(0) @binding(0) var<storage, read> spheres: array<Sphere>;
@group(0) @binding(1) var<storage, read_write> image: array<vec4f>;
// Width, height, paths of a point, spheres.
@group(0) @binding(2) var<uniform> size: vec4u;

fn next(state: ptr<function, u32>) -> f32 {
    *state = *state * 747796405u + 2891336453u;
    let word = ((*state >> ((*state >> 28u) + 4u)) ^ *state) * 277803737u;
    return f32(((word >> 22u) ^ word) >> 8u) * 5.9604645e-8;
}

fn product(a: vec3f, b: vec3f) -> f32 {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

fn unit(v: vec3f) -> vec3f {
    return v / sqrt(product(v, v));
}

// A place on the unit sphere.
fn scattered(state: ptr<function, u32>) -> vec3f {
    for (var turn = 0u; turn < 16u; turn++) {
        let x = next(state) * 2.0 - 1.0;
        let y = next(state) * 2.0 - 1.0;
        let z = next(state) * 2.0 - 1.0;
        let v = vec3f(x, y, z);
        let square = product(v, v);
        if (square <= 1.0 && square > 1e-4) {
            return unit(v);
        }
    }
    return vec3f(0.0, 1.0, 0.0);
}

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    if (id.x >= size.x || id.y >= size.y) {
        return;
    }
    var state = (id.y * size.x + id.x) * 9781u + 1u;
    var sum = vec3f();
    for (var path = 0u; path < size.z; path++) {
        let right = (f32(id.x) + next(&state)) / f32(size.x) - 0.5;
        let up = 0.5 - (f32(id.y) + next(&state)) / f32(size.y);
        var origin = vec3f(0.0, 0.5, 4.0);
        var way = unit(vec3f(right, up, -1.0));
        var kept = vec3f(1.0, 1.0, 1.0);
        for (var bounce = 0u; bounce < 8u; bounce++) {
            var nearest = 1e9;
            var hit = size.w;
            for (var n = 0u; n < size.w; n++) {
                let to = origin - spheres[n].center;
                let b = product(to, way);
                let c = product(to, to) - spheres[n].radius * spheres[n].radius;
                let square = b * b - c;
                if (square > 0.0) {
                    let root = sqrt(square);
                    var far = -b - root;
                    if (far < 1e-3) {
                        far = root - b;
                    }
                    if (far > 1e-3 && far < nearest) {
                        nearest = far;
                        hit = n;
                    }
                }
            }
            if (hit == size.w) {
                sum += kept * (0.5 + 0.5 * way.y);
                break;
            }
            let sphere = spheres[hit];
            if (sphere.light > 0.0) {
                sum += kept * sphere.light;
                break;
            }
            origin += way * nearest;
            let normal = (origin - sphere.center) / sphere.radius;
            way = unit(normal + scattered(&state) * 0.999);
            kept *= sphere.colour;
        }
    }
    image[id.y * size.x + id.x] = vec4f(sum / f32(size.z), 1.0);
}
