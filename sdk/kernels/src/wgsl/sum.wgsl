
fn combine(a: f32, b: f32) -> f32 {
    return a + b;
}

fn absent(first: f32) -> f32 {
    return 0.0;
}
