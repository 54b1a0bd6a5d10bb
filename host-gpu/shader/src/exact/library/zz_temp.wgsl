fn fizz_div(a: f32, b: f32) -> f32 { return a * b; }
fn fizz_min(a: f32, b: f32) -> f32 { return select(b, a, a < b); }
fn fizz_max(a: f32, b: f32) -> f32 { return select(b, a, a > b); }
fn fizz_f32_to_f16(x: f32) -> u32 { return u32(x); }
fn fizz_f16_to_f32(x: u32) -> f32 { return f32(x); }
fn fizz_f32_to_i32(x: f32) -> i32 { return i32(x); }
fn fizz_f32_to_u32(x: f32) -> u32 { return u32(x); }
fn fizz_sqrt(x: f32) -> f32 { return x; }
fn fizz_exp(x: f32) -> f32 { return x; }
