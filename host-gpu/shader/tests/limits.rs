//! Hostile shaders: each must be refused quickly, without deep recursion, with a clear message.
#![allow(clippy::unwrap_used)] // A test fails by panicking.

use fizz_shader::{Reason, ShaderError, ShaderLimits, check};
use std::fmt::Write as _;

fn refuse(wgsl: &str) -> ShaderError {
    let start = std::time::Instant::now();
    let error = check(wgsl, "hostile", &ShaderLimits::default()).map(|_| ()).unwrap_err();
    assert!(start.elapsed().as_secs() < 10, "took {:?}", start.elapsed());
    error
}

fn limit(wgsl: &str) -> String {
    let error = refuse(wgsl);
    assert_eq!(error.reason, Reason::Limit, "{error}");
    error.message
}

fn accept(wgsl: &str) {
    if let Err(error) = check(wgsl, "good", &ShaderLimits::default()) {
        panic!("{error}");
    }
}

fn body(text: &str) -> String {
    format!(
        "@group(0) @binding(0) var<storage, read_write> data: array<u32>;\n\
         @compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3u) {{\n{text}\n}}\n"
    )
}

/// Calls of the previous function, twice: 2^n after inlining.
fn bomb(depth: usize) -> String {
    let mut text = String::from("fn f0(x: u32) -> u32 { return x * 3u + 1u; }\n");
    for n in 1..=depth {
        let m = n - 1;
        writeln!(text, "fn f{n}(x: u32) -> u32 {{ return f{m}(x) + f{m}(x + 1u); }}").unwrap();
    }
    text + &body(&format!("data[id.x] = f{depth}(id.x);"))
}

#[test]
fn calls_that_double_are_refused_when_inlining_them_explodes() {
    accept(&bomb(10));
    assert!(limit(&bomb(40)).contains("after inlining"));
    // Sums far past 64 bits.
    assert!(limit(&bomb(400)).contains("after inlining"));
}

#[test]
fn deep_brackets_never_reach_the_parser() {
    for (open, close) in [("(", ")"), ("{", "}"), ("[", "]")] {
        let nested = |n: usize| format!("{}1u{}", open.repeat(n), close.repeat(n));
        assert!(limit(&body(&format!("let x = {};", nested(100_000)))).contains("nested deeper"));
        assert!(limit(&open.repeat(100_000)).contains("nested deeper"));
        assert!(limit(&close.repeat(100_000)).contains("closes nothing"));
    }
    assert!(limit(&body(&"if (true) {".repeat(100))).contains("nested deeper"));
    accept(&body(&format!("data[0] = {}1u{};", "(".repeat(60), ")".repeat(60))));
    accept(&body(&format!("{}data[0] = 1u;{}", "if (id.x > 1u) {".repeat(60), "}".repeat(60))));
}

#[test]
fn long_chains_never_reach_the_parser() {
    let chains = [
        format!("let x = 1u{};", "+1u".repeat(60_000)),
        format!("let x = {}1u;", "-".repeat(200_000)),
        format!("let x = {}true;", "!".repeat(200_000)),
        format!("let x = {}data;", "&".repeat(200_000)),
        format!("let x = {}data;", "*".repeat(200_000)),
        format!("let x = data{};", "[0]".repeat(60_000)),
        format!("let x = data{};", ".x".repeat(60_000)),
        format!("let x = f{};", "()".repeat(60_000)),
        format!("if (true) {{}}{}", "else if (true) {}".repeat(10_000)),
        format!("let x: {}u32{};", "array<".repeat(30_000), ">".repeat(30_000)),
        // A chain of chains: within each bracket the limit would hold.
        {
            let step = format!("(1u{})", "+1u".repeat(40));
            format!("let x = {}{step}{};", "(".repeat(50), format!("{})", "+1u".repeat(400)).repeat(50))
        },
    ];
    for chain in chains {
        assert!(limit(&body(&chain)).contains("in one chain"), "{}", &chain[..40]);
    }
}

#[test]
fn chains_at_the_limit_fit_the_stack() {
    accept(&body(&format!("data[0] = 1u{};", "+1u".repeat(950))));
    accept(&body(&format!("data[0] = {}id.x;", "~".repeat(950))));
    // Many chains beside each other are not one chain.
    accept(&body(&format!("data[0] = max({}, 1u);", "max(1u+id.x+2u, id.y*3u)")));
    accept(&body(&"data[0] = id.x*2u+1u; ".repeat(5_000)));
    // Declarations that use each other, last first: naga sorts them by recursion.
    let mut text = String::new();
    for n in (1..4000).rev() {
        writeln!(text, "const c{n} = c{} + 1u;", n - 1).unwrap();
    }
    text += "const c0 = 1u;\n";
    accept(&(text + &body("data[0] = c3999;")));
}

#[test]
fn else_if_counts_as_nesting() {
    let chain = |n: usize| {
        let branch = "else if (id.x == 1u) { data[0] = 1u; } ";
        body(&format!("if (id.x == 0u) {{}} {}", branch.repeat(n)))
    };
    accept(&chain(50));
    assert!(limit(&chain(100)).contains("nested deeper"));
}

#[test]
fn variables_of_an_invocation_are_bounded() {
    let private =
        |n: u32| format!("var<private> p: array<u32, {n}>;\n{}", body("p[id.x] = 1u; data[0] = p[0];"));
    accept(&private(4096));
    assert!(limit(&private(4097)).contains("variables of one invocation"));
    assert!(limit(&private(262_144)).contains("variables of one invocation"));
    let local = |n: u32| body(&format!("var v: array<u32, {n}>; v[id.x] = 1u; data[0] = v[0];"));
    accept(&local(4096));
    assert!(limit(&local(4097)).contains("variables of one invocation"));
    assert!(limit(&local(500_000_000)).contains("variables of one invocation"));
    // Along a chain of calls they add up.
    let mut text = String::from("fn f0() -> u32 { return 1u; }\n");
    for n in 1..20 {
        let m = n - 1;
        writeln!(text, "fn f{n}() -> u32 {{ var a: array<u32, 256>; a[f{m}()] = 1u; return a[0]; }}")
            .unwrap();
    }
    assert!(limit(&(text + &body("data[0] = f19();"))).contains("variables of one invocation"));
}

#[test]
fn workgroup_memory_is_bounded() {
    let shader = |n: u32| format!("var<workgroup> w: array<u32, {n}>;\n{}", body("w[id.x] = 1u;"));
    accept(&shader(4096));
    assert!(limit(&shader(4097)).contains("workgroup variables"));
    let two = "var<workgroup> a: array<u32, 4096>; var<workgroup> b: u32;\n";
    assert!(limit(&format!("{two}{}", body("a[0] = 1u; b = 2u;"))).contains("workgroup variables"));
    accept(&format!("{two}{}", body("a[0] = 1u;")));
}

#[test]
fn zero_values_cannot_ask_for_gigabytes() {
    let bombs = [
        "const x = -array<u32, 1073741824>();",
        "alias A = array<u32, 1073741824>; const x = -A();",
        "struct S { a: array<u32, 1073741824> } const x = -S();",
        "const n = 1u << 30u; const x = -array<u32, n>();",
        "const n = 1u << 2u + 28u; const x = -array<u32, n>();",
        "const n = 32768 * 32768; alias A = array<vec4f, n>; struct S { @size(16) b: u32, a: A, } const x = -S();",
        "const a = 1000; const b = a * a * a; const x = -array < u32 , b , > /* here */ ( );",
        "const x = -array<array<array<u32, 60000>, 60000>, 60000>();",
        "const x = -array<u32, max(1073741824, 2)>();",
    ];
    for bomb in bombs {
        assert!(limit(&(bomb.to_owned() + &body(""))).contains("zero value"), "{bomb}");
    }
    let mut doubling = String::from("struct S0 { a: u32 }\n");
    for n in 1..30 {
        writeln!(doubling, "struct S{n} {{ a: S{}, b: S{} }}", n - 1, n - 1).unwrap();
    }
    assert!(limit(&(doubling + "const x = -S29();" + &body(""))).contains("zero value"));
    accept(
        &("const n = 64u; struct S { a: array<f32, n * 2 - 1>, b: vec3f }\n".to_owned()
            + &body(
                "var s = S(); s.a[id.x % n] = 1.0; data[0] = u32(s.a[1]); var t = array<u32, 16>(); data[1] = t[id.x % 16];",
            )),
    );
    // A large type is fine where nothing spells it out.
    accept(
        "@group(0) @binding(0) var<storage, read_write> big: array<f32, 33554432>;\n\
            @compute @workgroup_size(1) fn main() { big[0] = 1.0; }",
    );
}

#[test]
fn constants_of_constants_fit_the_stack() {
    // Local ones are not counted as declarations.
    let mut text = String::from("const c0 = 1u;");
    for n in 1..12_000 {
        write!(text, "const c{n} = c{};", n - 1).unwrap();
    }
    accept(&body(&format!("{text} let x = array<u32, c11999>(); data[0] = x[0];")));
    let bomb = text.replace("c0 = 1u", "c0 = 100000u");
    assert!(limit(&body(&format!("{bomb} let x = array<u32, c11999>();"))).contains("zero value"));
}

#[test]
fn quadratic_inputs_end_soon() {
    for text in [
        "const ",
        "array<a,",
        "const a=b;",
        "alias a = a;",
        "struct a{b:a}",
        "a<",
        "/*",
        "<",
        "@id(1)override a",
    ] {
        refuse(&text.repeat((256 << 10) / text.len()));
    }
}

#[test]
fn sources_and_counts_are_bounded() {
    assert!(limit(&"/".repeat(300_000)).contains("longer than"));
    accept(&("/".repeat(200_000) + "\n" + &body("")));
    let functions: String = (0..2000).map(|n| format!("fn f{n}(){{}}\n")).collect();
    assert!(limit(&functions).contains("functions"));
    let constants: String = (0..5000).map(|n| format!("const c{n}=1;\n")).collect();
    assert!(limit(&constants).contains("declarations"));
}

#[test]
fn comments_do_not_hide_or_count() {
    accept(&format!("/* {} /* nested */ */\n// {}\n{}", "(".repeat(1000), "{".repeat(1000), body("")));
    for end in ["\u{2028}", "\u{85}", "\r", "\u{b}"] {
        let text = format!("// comment{end}{}", "(".repeat(1000));
        assert!(limit(&text).contains("nested deeper"), "{end:?}");
    }
}

#[test]
fn values_are_no_larger_than_an_invocation() {
    let run = |n: u32, body: &str| {
        let text = format!(
            "@group(0) @binding(0) var<storage, read_write> x: array<u32, {n}>;
            @group(0) @binding(1) var<storage, read_write> y: array<u32, {n}>;
            fn take(v: array<u32, {n}>) {{ x[0] = v[1]; }}
            @compute @workgroup_size(1) fn main() {{ {body} }}"
        );
        check(&text, "s", &ShaderLimits::default()).map(|_| ())
    };
    run(4096, "y = x; take(x);").unwrap();
    for (n, body) in [(4097, ""), (16_777_216, "y = x;"), (16_777_216, "take(x);")] {
        let error = run(n, body).unwrap_err();
        assert_eq!(error.reason, Reason::Limit, "{error}");
        assert!(error.message.contains("a value of more than 16384 bytes"), "{error}");
        assert!(error.location.is_some());
    }
}

#[test]
fn functions_have_few_parameters() {
    let run = |n: usize| {
        let parameters: String = (0..n).map(|n| format!("p{n}: u32, ")).collect();
        let text = format!(
            "fn f({parameters}) {{ }} @compute @workgroup_size(1) fn main() {{ f({}); }}",
            "1u, ".repeat(n)
        );
        check(&text, "s", &ShaderLimits::default()).map(|_| ())
    };
    run(255).unwrap();
    assert!(run(256).unwrap_err().message.contains("more than 255 parameters"));
}

#[test]
fn what_is_one_instruction_for_a_driver_is_no_longer_than_an_instruction() {
    let switch = |cases: u32| {
        let cases: String = (1..cases).map(|n| format!("{n}u,")).collect();
        body(&format!("switch id.x {{ case {cases} {{ data[0] = 1u; }} default {{}} }}"))
    };
    accept(&switch(16_383));
    assert!(limit(&switch(16_384)).contains("a switch of more than 16383 cases"));
    let members = |count: u32| {
        let members: String = (0..count).map(|n| format!("a{n}:u32,")).collect();
        format!(
            "struct S {{ {members} }} @group(0) @binding(1) var<storage> s: S; {}",
            body("data[0] = s.a3;")
        )
    };
    accept(&members(16_383));
    assert!(limit(&members(16_384)).contains("a struct of more than 16383 members"));
    let constant =
        |count: usize| format!("const c = array({}); {}", "1u,".repeat(count), body("data[0] = c[3];"));
    accept(&constant(65_000));
    assert!(limit(&constant(65_001)).contains("composed of more than 65000"));
    let name = |bytes: usize| format!("@compute @workgroup_size(1) fn {}() {{}}", "f".repeat(bytes));
    accept(&name(4096));
    assert!(limit(&name(4097)).contains("name of an entry point"));
}

#[test]
fn what_is_portable_is_not_too_large_for_a_device() {
    use fizz_shader::exact::{self, Native};
    let module = |products: usize| {
        let shader = body(&format!(
            "var m = mat4x4f(); m[0][0] = f32(id.x); {} data[0] = u32(m[1][1]);",
            "m=m*m;".repeat(products)
        ));
        naga::front::wgsl::parse_str(&shader).unwrap()
    };
    let (mut most, mut refused) = (0, 10_000);
    while refused - most > 1 {
        let middle = usize::midpoint(most, refused);
        match exact::check(&module(middle)) {
            Ok(()) => most = middle,
            Err(_) => refused = middle,
        }
    }
    let error = exact::check(&module(most + 1)).unwrap_err();
    assert!(error.starts_with("lowered, its entry point 'main' has more than 262144 expressions"), "{error}");
    // A device that is told of a shader has room for what its driver needs besides.
    exact::lower(module(most + most / 2), &Native::NONE).unwrap();
    assert!(exact::lower(module(most * 2 + 10), &Native::NONE).is_err());
}
