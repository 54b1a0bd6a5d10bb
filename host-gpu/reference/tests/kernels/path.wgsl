@group(0) @binding(0) var<storage,read> a: array<f32>; @group(0) @binding(1) var<storage,read> b: array<f32>; @group(0) @binding(2) var<storage,read_write> c: array<f32>;
fn fdiv(a:f32,b:f32)->f32{return a/b;} fn fsqrt(x:f32)->f32{return sqrt(x);} fn fsin(x:f32)->f32{let r=x-6.2831855*floor(x*0.15915494+0.5); let z=r*r; return r*(1.0+z*(-0.16666667+z*(0.008333334+z*(-0.00019841270+z*2.7557319e-6))));} fn fcos(x:f32)->f32{return fsin(x+1.5707964);}

fn dot3(a:vec3<f32>,b:vec3<f32>)->f32{ return a.x*b.x+a.y*b.y+a.z*b.z; }
fn rnd(s:ptr<function,u32>)->f32{ *s=*s*747796405u+2891336453u; let w=((*s>>((*s>>28u)+4u))^*s)*277803737u; return f32(((w>>22u)^w)>>8u)*(1.0/16777216.0); }
fn norm(v:vec3<f32>)->vec3<f32>{ let l=fsqrt(dot3(v,v)); return vec3<f32>(fdiv(v.x,l),fdiv(v.y,l),fdiv(v.z,l)); }
@compute @workgroup_size(8,8) fn main(@builtin(global_invocation_id) g: vec3<u32>) {
 var seed=g.y*256u+g.x+17u; var col=0.0; for(var sp=0u;sp<4u;sp++){
 var o=vec3<f32>(0.0,0.0,-6.0); var d=norm(vec3<f32>((f32(g.x)+rnd(&seed))*(1.0/128.0)-1.0,(f32(g.y)+rnd(&seed))*(1.0/128.0)-1.0,2.0)); var w=1.0;
 for(var bo=0u;bo<5u;bo++){ var tb=1e30; var hb=-1; for(var i=0;i<8;i++){ let cc=vec3<f32>(a[i*3],a[i*3+1],a[i*3+2])*6.0; let oc=o-cc; let bq=dot3(oc,d); let q=dot3(oc,oc)-0.81; let disc=bq*bq-q; if(disc>0.0){ let t=-bq-fsqrt(disc); if(t>1e-3&&t<tb){tb=t;hb=i;} } }
  if(hb<0){ col+=w*(0.5+0.5*d.y); break; } let cc=vec3<f32>(a[hb*3],a[hb*3+1],a[hb*3+2])*6.0; let p=o+d*tb; let n=norm(p-cc); let u=rnd(&seed)*2.0-1.0; let ph=rnd(&seed)*6.2831853; let rr=fsqrt(max(1.0-u*u,0.0)); d=norm(n*1.001+vec3<f32>(rr*fcos(ph),rr*fsin(ph),u)); o=p; w*=0.7; } }
 c[g.y*256u+g.x]=col; }
