
fn combine(a: f32, b: f32) -> f32 {
    return max(a, b);
}

fn absent(first: f32) -> f32 {
    return first;
}
