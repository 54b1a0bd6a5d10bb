@group(0) @binding(0) var<storage,read> a: array<f32>; @group(0) @binding(1) var<storage,read> b: array<f32>; @group(0) @binding(2) var<storage,read_write> c: array<f32>;
var<workgroup> s: array<f32,256>;
@compute @workgroup_size(256) fn main(@builtin(local_invocation_index) l: u32, @builtin(workgroup_id) w: vec3<u32>) {
 s[l]=a[w.x*256u+l]; workgroupBarrier(); for(var h=128u;h>0u;h>>=1u){ if(l<h){ s[l]=s[l]+s[l+h]; } workgroupBarrier(); } if(l==0u){ c[w.x]=s[0]; } }
