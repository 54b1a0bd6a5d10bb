//! Shaders of a hostile guest: each within the limits of the front end, or near them, and as costly as can be for one part of the compiler.

#![allow(dead_code, reason = "each user takes a part")]

use std::fmt::Write as _;

/// A shader, and what it is good at.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    pub(crate) wgsl: String,
}

/// Bytes of source that the front end takes.
const SOURCE: usize = 256 << 10;

/// A shader with `functions`, whose one invocation does `body` to `x`.
pub(crate) fn shader(functions: &str, size: u32, body: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> out: array<u32>;
@group(0) @binding(1) var<storage, read_write> reals: array<f32>;
{functions}
@compute @workgroup_size({size}) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) own: u32, @builtin(workgroup_id) group: vec3u) {{
var x = id.x; {body}
out[id.x] = x; }}
"
    )
}

/// As many pieces as fit into the source, or `most`.
pub(crate) fn pieces(most: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0..most {
        let next = piece(number);
        if text.len() + next.len() + 1000 > SOURCE {
            break;
        }
        text += &next;
    }
    text
}

/// Functions that call each other twice, `depth` times: the first is `leaf`, which has `x` to return.
pub(crate) fn doubling(depth: usize, leaf: &str) -> String {
    let mut text = format!(
        "var<private> p: array<u32, 64>; var<workgroup> w: array<u32, 64>;\nfn f0(a: u32) -> u32 {{ var x = a; {leaf} return x; }}\n"
    );
    for n in 1..=depth {
        let m = n - 1;
        writeln!(text, "fn f{n}(x: u32) -> u32 {{ return f{m}(f{m}(x)); }}").expect("text");
    }
    text
}

/// A shader that calls `leaf` 2^`depth` times.
pub(crate) fn doubled(depth: usize, size: u32, leaf: &str) -> String {
    shader(&doubling(depth, leaf), size, &format!("x = f{depth}(x);"))
}

/// `count` values that are all needed at the end.
pub(crate) fn live(count: usize, between: &str) -> String {
    let first = pieces(count, |n| format!("let v{n}=out[x+{n}u];"));
    let last = pieces(count, |n| format!("x=x*3u+v{n};"));
    format!("{first}{between}{last}")
}

/// `count` variables that are all set in each of `between`, and needed at the end.
pub(crate) fn variables(count: usize, between: &str) -> String {
    let first = pieces(count, |n| format!("var v{n}=out[x+{n}u];"));
    let last = pieces(count, |n| format!("x=x*3u+v{n};"));
    format!("{first}{between}{last}")
}

fn nested(depth: usize, open: impl Fn(usize) -> String, inner: &str) -> String {
    let mut text = String::new();
    (0..depth).for_each(|n| text += &open(n));
    text + inner + &"}".repeat(depth)
}

/// All of them.
pub(crate) fn bombs() -> Vec<Bomb> {
    let mut all = Vec::new();
    let mut add = |name: &'static str, wgsl: String| all.push(Bomb { name, wgsl });
    add("chain", shader("", 64, &pieces(20_000, |n| format!("x=x*3u+{n}u;"))));
    add("conversions", shader("", 64, &pieces(20_000, |_| "x=u32(f32(x));".to_owned())));
    add("branches", shader("", 64, &pieces(9_000, |n| format!("if(x=={n}u){{x+=out[x];}}"))));
    add("returns", shader("", 64, &pieces(12_000, |n| format!("if(x=={n}u){{return;}}"))));
    add(
        "returns and values",
        shader("", 64, &pieces(8_000, |n| format!("if(x=={n}u){{return;}}x+=out[x];"))),
    );
    add(
        "breaks",
        shader(
            "",
            64,
            &format!("loop{{{}x+=1u;}}", pieces(8_000, |n| format!("if(x=={n}u){{break;}}x*=3u;"))),
        ),
    );
    add(
        "continues",
        shader(
            "",
            64,
            &format!(
                "loop{{if(x>7u){{break;}}{}x+=1u;}}",
                pieces(8_000, |n| format!("if(x=={n}u){{continue;}}x*=3u;"))
            ),
        ),
    );
    add("loops", shader("", 64, &pieces(1_000, |n| format!("for(var i{n}=0u;i{n}<x;i{n}++){{x+=out[x];}}"))));
    add("short loops", shader("", 64, &pieces(4_000, |_| "for(var i=0u;i<64u;i++){x+=out[x];}".to_owned())));
    add(
        "short loops in loops",
        shader(
            "",
            64,
            &pieces(1_300, |_| {
                "for(var i=0u;i<64u;i++){for(var j=0u;j<64u;j++){for(var k=0u;k<64u;k++){x+=1u;}}}".to_owned()
            }),
        ),
    );
    let huge = pieces(10_000, |_| "x+=out[x];".to_owned());
    add(
        "huge branch not taken",
        shader(
            "",
            64,
            &format!(
                "for(var i=0u;i<64u;i++){{for(var j=0u;j<64u;j++){{for(var k=0u;k<32u;k++){{if(k>40u){{{huge}break;}}}}}}}}"
            ),
        ),
    );
    add(
        "huge loop tried often",
        shader(
            "",
            64,
            &format!(
                "for(var i=0u;i<64u;i++){{for(var j=0u;j<64u;j++){{for(var k=0u;k<32u;k++){{if(k>40u){{loop{{{huge}if(x==3u){{break;}}}}}}}}}}}}"
            ),
        ),
    );
    add(
        "nested loops",
        shader(
            "",
            64,
            &nested(
                12,
                |n| format!("for(var i{n}=0u;i{n}<(x&7u);i{n}++){{x+=1u;"),
                &pieces(3_000, |_| "x+=out[x];".to_owned()),
            ),
        ),
    );
    add("nested ifs", shader("", 64, &nested(58, |n| format!("if(x>{n}u){{x+=1u;"), &huge)));
    let sets = pieces(3_000, |n| format!("v{n}=x;"));
    add(
        "variables in a branch",
        shader(
            "",
            64,
            &format!(
                "{}if(x>7u){{{}{}}}",
                pieces(3_000, |n| format!("var v{n}=0u;")),
                sets,
                pieces(3_000, |n| format!("x+=v{n}*x;"))
            ),
        ),
    );
    add(
        "values and branches",
        shader("", 64, &live(2_000, &pieces(4_000, |_| "if(x>7u){x+=out[x];}".to_owned()))),
    );
    add(
        "values and loops",
        shader("", 64, &live(2_000, &pieces(500, |_| "for(var i=0u;i<x;i++){x+=out[x];}".to_owned()))),
    );
    add(
        "values and nested loops",
        shader(
            "",
            64,
            &live(
                2_000,
                &pieces(20, |_| nested(20, |n| format!("for(var i{n}=0u;i{n}<x;i{n}++){{"), "x+=out[x];")),
            ),
        ),
    );
    add(
        "values and barriers",
        shader("", 64, &live(2_000, &pieces(4_000, |_| "storageBarrier();x+=out[x];".to_owned()))),
    );
    add(
        "values, switch",
        shader(
            "",
            64,
            &live(
                2_000,
                &format!(
                    "switch(x){{default:{{}}{}}}",
                    pieces(4_000, |n| format!("case {n}:{{x+=out[x];}}"))
                ),
            ),
        ),
    );
    add(
        "variables and loops",
        shader(
            "",
            64,
            &variables(
                1_000,
                &pieces(100, |k| {
                    format!(
                        "for(var i=0u;i<x;i++){{{}x+=out[x];}}",
                        pieces(100, |n| format!("v{}=x;", (n * 10 + k) % 1000))
                    )
                }),
            ),
        ),
    );
    add(
        "variables in nested loops",
        shader(
            "",
            64,
            &variables(
                2_000,
                &nested(
                    28,
                    |n| format!("for(var i{n}=0u;i{n}<x;i{n}++){{"),
                    &pieces(2_000, |n| format!("v{n}=v{}+x;", (n + 1) % 2000)),
                ),
            ),
        ),
    );
    add("selects", shader("", 64, &pieces(12_000, |n| format!("x=select(x,{n}u,x>9u);"))));
    add(
        "cases",
        shader(
            "",
            64,
            &format!("switch(x){{default:{{}}{}}}", pieces(30_000, |n| format!("case {n}:{{x++;}}"))),
        ),
    );
    add(
        "selectors",
        shader(
            "",
            64,
            &format!("switch(x){{default:{{}}case 0{}:{{x++;}}}}", pieces(60_000, |n| format!(",{}", n + 1))),
        ),
    );
    add("calls", doubled(16, 64, "x=x*3u+1u;"));
    add("calls with branches", doubled(15, 64, "if(x>7u){x+=out[x];}"));
    add("calls with returns", doubled(15, 64, "if(x>7u){return x;}"));
    add("calls with loops", doubled(14, 64, "for(var i=0u;i<x;i++){x+=1u;}"));
    add("calls with barriers", doubled(15, 64, "storageBarrier();x+=out[x];"));
    add("calls with arrays", doubled(12, 64, "var b:array<u32,16>;b[x]=x;x=b[x+1u];"));
    add(
        "calls with arrays and barriers",
        doubled(12, 64, "var b:array<u32,16>;b[x]=x;storageBarrier();x=b[x+1u];"),
    );
    add("calls with large arrays", doubled(8, 64, "var b:array<u32,400>;b[x]=x;x=b[x+1u];"));
    add("calls with conversions", doubled(15, 64, "x=u32(f32(x)*1.5);"));
    add("calls with divisions", doubled(15, 64, "x=bitcast<u32>(f32(x)/1.5);"));
    add("calls with sines", doubled(12, 64, "x=bitcast<u32>(sin(f32(x)));"));
    add("calls with powers", doubled(11, 64, "x=bitcast<u32>(pow(f32(x),1.3));"));
    add(
        "arrays copied",
        shader(
            "struct S{a:array<u32,4096>}; @group(0) @binding(2) var<storage,read_write> s:S; @group(0) @binding(3) var<storage,read_write> t:S;",
            64,
            &pieces(100, |_| "t=s;s=t;".to_owned()),
        ),
    );
    add(
        "arrays in variables copied",
        shader(
            "",
            64,
            &format!(
                "var a:array<u32,2000>;var b:array<u32,2000>;{}x=a[x];",
                pieces(200, |_| "a[x]=x;b=a;b[x]=x;a=b;".to_owned())
            ),
        ),
    );
    add(
        "workgroup arrays",
        shader(
            "var<workgroup> w:array<array<u32,64>,64>;",
            256,
            &pieces(6_000, |_| "w[x][x]=x;x=w[own][x];".to_owned()),
        ),
    );
    add("kept values, large workgroup", shader("", 256, &live(4_000, "storageBarrier();")));
    add(
        "bindings",
        shader(
            &pieces(8, |n| {
                format!("@group({}) @binding({}) var<storage> u{n}:array<vec4u>;", n % 4, n / 4 + 2)
            }),
            64,
            &pieces(14_000, |n| format!("x+=u{}[x].x;", n % 8)),
        ),
    );
    add(
        "values stored whole",
        shader(
            "struct S{a:array<u32,4096>}; @group(0) @binding(2) var<storage,read_write> s:S;",
            64,
            &format!("let z=S();{}", pieces(50_000, |_| "s=z;".to_owned())),
        ),
    );
    add(
        "arrays set whole",
        shader(
            "",
            64,
            &format!("var a:array<u32,2000>;let z=a;{}x=a[x];", pieces(50_000, |_| "a=z;".to_owned())),
        ),
    );
    add(
        "arrays returned",
        shader(
            &format!(
                "fn f(x:u32)->array<u32,1000>{{var z:array<u32,1000>;z[x]=x;let y=z;{}return z;}}",
                pieces(14_000, |n| format!("if(x=={n}u){{return y;}}"))
            ),
            64,
            "x=f(x)[x];",
        ),
    );
    add("literals in called functions", doubled(16, 64, &pieces(50_000, |_| "_=1;".to_owned())));
    let mut constants = String::from("const c0=array(1u,2u);");
    (1..24).for_each(|n| write!(constants, "const c{n}=array(c{0},c{0});", n - 1).expect("text"));
    add(
        "constants of constants",
        shader(
            &constants,
            64,
            "x=c23[x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x][x];",
        ),
    );
    let deep = format!(
        "struct S{{a:array<u32,64>}};@group(0) @binding(2) var<storage,read_write> d:{}S{};",
        "array<".repeat(40),
        ",1>".repeat(40)
    );
    add("deep arrays", shader(&deep, 64, &pieces(3_000, |_| format!("d{0}=d{0};", "[x]".repeat(40)))));
    add(
        "matrix products",
        shader(
            &pieces(100, |n| {
                format!("fn m{n}(a:mat4x4f)->mat4x4f{{var m=a;{}return m;}}", "m=m*m;".repeat(380))
            }),
            64,
            &format!(
                "var m=mat4x4f();m[0][0]=f32(x);{}x=bitcast<u32>(m[1][1]);",
                pieces(100, |n| format!("m=m{n}(m);"))
            ),
        ),
    );
    add(
        "powers of vectors",
        shader(
            "",
            64,
            &format!(
                "var v=vec4f(f32(x));{}x=bitcast<u32>(v.x);",
                pieces(20_000, |_| "v=pow(v,v);".to_owned())
            ),
        ),
    );
    add(
        "sines of vectors",
        shader(
            "",
            64,
            &format!(
                "var v=vec4f(f32(x));{}x=bitcast<u32>(v.x);",
                pieces(20_000, |_| "v=sin(v);".to_owned())
            ),
        ),
    );
    add(
        "constant array",
        shader(&format!("const c=array({});", pieces(100_000, |_| "1,".to_owned())), 64, "x=u32(c[x]);"),
    );
    add(
        "members",
        shader(
            &format!(
                "struct S{{{}}};@group(0) @binding(2) var<storage,read_write> s:S;",
                pieces(30_000, |n| format!("a{n}:u32,"))
            ),
            64,
            "x=s.a7;",
        ),
    );
    let depth = |inner: &str| nested(50, |n| format!("if(x>{n}u){{x+=1u;"), inner);
    add(
        "nested calls",
        shader(
            &format!(
                "fn f0(a:u32)->u32{{var x=a;{}return x;}}{}",
                depth(&"x=x*3u+out[x];".repeat(300)),
                (1..9)
                    .map(|n| format!(
                        "fn f{n}(a:u32)->u32{{var x=a;{}return x;}}",
                        depth(&format!("x=f{0}(f{0}(f{0}(x)));", n - 1))
                    ))
                    .collect::<String>()
            ),
            64,
            "x=f7(x);",
        ),
    );
    add(
        "regions with variables",
        shader(
            "",
            64,
            &format!(
                "{}{}",
                pieces(500, |n| format!("var a{n}:array<u32,4>;a{n}[x]=x;x+=a{n}[x+1u];")),
                pieces(5_000, |n| format!("storageBarrier();a{}[x]=x;x+=out[x];", n % 500))
            ),
        ),
    );
    add("uniform returns", shader("", 64, &pieces(9_000, |n| format!("if(group.x=={n}u){{return;}}x+=3u;"))));
    // What engines compile with all care.
    add(
        "few values and loops",
        shader("", 64, &live(220, &pieces(60, |_| "for(var i=0u;i<x;i++){x+=out[x];}".to_owned()))),
    );
    add(
        "few values and branches",
        shader("", 64, &live(300, &pieces(400, |_| "if(x>7u){x+=out[x];}".to_owned()))),
    );
    add(
        "few variables in nested loops",
        shader(
            "",
            64,
            &variables(
                250,
                &nested(
                    24,
                    |n| format!("for(var i{n}=0u;i{n}<x;i{n}++){{"),
                    &pieces(250, |n| format!("v{n}=v{}+x;", (n + 1) % 250)),
                ),
            ),
        ),
    );
    all
}
