
@group(0) @binding(2) var<storage, read_write> c: array<i32>;

fn put(row: u32, column: u32, sum: i32) {
    c[row * shape.columns + column] = sum;
}
