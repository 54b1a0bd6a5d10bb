@group(0) @binding(0) var<storage,read> a: array<f32>; @group(0) @binding(1) var<storage,read> b: array<f32>; @group(0) @binding(2) var<storage,read_write> c: array<u32>;
@compute @workgroup_size(8,8) fn main(@builtin(global_invocation_id) g: vec3<u32>) {
 let cr=f32(g.x)*(3.0/1024.0)-2.0; let ci=f32(g.y)*(3.0/1024.0)-1.5; var x=0.0; var y=0.0; var i=0u;
 loop { if (i>=1000u) {break;} let xx=x*x; let yy=y*y; if (xx+yy>4.0) {break;} y=2.0*x*y+ci; x=xx-yy+cr; i++; }
 c[g.y*1024u+g.x]=i; }
