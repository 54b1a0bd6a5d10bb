@group(0) @binding(0) var<storage,read> a: array<f32>; @group(0) @binding(1) var<storage,read> b: array<f32>; @group(0) @binding(2) var<storage,read_write> c: array<f32>;
var<workgroup> ta: array<f32,256>; var<workgroup> tb: array<f32,256>;
@compute @workgroup_size(16,16) fn main(@builtin(local_invocation_id) l: vec3<u32>, @builtin(workgroup_id) w: vec3<u32>) {
 let n=512u; let row=w.y*16u+l.y; let col=w.x*16u+l.x; var s=0.0;
 for(var t=0u;t<32u;t++){ ta[l.y*16u+l.x]=a[row*n+t*16u+l.x]; tb[l.y*16u+l.x]=b[(t*16u+l.y)*n+col]; workgroupBarrier();
  for(var k=0u;k<16u;k++){ s+=ta[l.y*16u+k]*tb[k*16u+l.x]; } workgroupBarrier(); }
 c[row*n+col]=s; }
