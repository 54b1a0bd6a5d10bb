
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(4) var<storage, read> row_scale: array<f32>;
@group(0) @binding(5) var<storage, read> column_scale: array<f32>;

// Order: the sum is rounded to f32, then multiplied by its row's scale, then by its column's.
fn put(row: u32, column: u32, sum: i32) {
    c[row * shape.columns + column] = (f32(sum) * row_scale[row]) * column_scale[column];
}
