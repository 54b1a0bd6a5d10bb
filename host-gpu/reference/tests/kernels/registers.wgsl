@group(0) @binding(0) var<storage,read> a: array<f32>; @group(0) @binding(1) var<storage,read> b: array<f32>; @group(0) @binding(2) var<storage,read_write> c: array<f32>;
var<workgroup> ta: array<f32,1024>; var<workgroup> tb: array<f32,1024>;
@compute @workgroup_size(16,16) fn main(@builtin(local_invocation_id) l: vec3<u32>, @builtin(local_invocation_index) li: u32, @builtin(workgroup_id) w: vec3<u32>) {
 let n=512u; var acc: array<f32,16>;
 for(var t=0u;t<32u;t++){ for(var i=0u;i<4u;i++){ let e=li+i*256u; ta[e]=a[(w.y*64u+(e>>4u))*n+t*16u+(e&15u)]; tb[e]=b[(t*16u+(e>>6u))*n+w.x*64u+(e&63u)]; } workgroupBarrier();
  for(var k=0u;k<16u;k++){ for(var i=0u;i<4u;i++){ let av=ta[(l.y*4u+i)*16u+k]; for(var j=0u;j<4u;j++){ acc[i*4u+j]+=av*tb[k*64u+l.x+16u*j]; } } } workgroupBarrier(); }
 for(var i=0u;i<4u;i++){ for(var j=0u;j<4u;j++){ c[(w.y*64u+l.y*4u+i)*n+w.x*64u+l.x+16u*j]=acc[i*4u+j]; } } }
