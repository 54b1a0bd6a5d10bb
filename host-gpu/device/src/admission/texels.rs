//! Textures in the probe: texels of one, two and four words, in each kind of texture, within bounds and beside them.

use super::run::{Found, Guest, STORAGE, digest};
use fizz_gpu_abi::{
    BindGroupEntry, Encoder, TextureDimension, TextureFormat, TextureShape, ViewDimension, ViewShape, WHOLE,
    texture_usage,
};

const STORES: &str = include_str!("probe/stores.wgsl");
const LOADS: &str = include_str!("probe/loads.wgsl");
const EXCHANGE: &str = include_str!("probe/exchange.wgsl");

/// Words of the output: four for each invocation.
const WORDS: usize = 4 * 34 * 18 * 5;

/// Texels that are stored, and then loaded.
struct Case {
    /// As it stands in a refusal.
    name: &'static str,
    format: TextureFormat,
    dimension: TextureDimension,
    view: ViewDimension,
    /// The type, the format and a place in WGSL.
    wgsl: [&'static str; 3],
}

const CASES: [Case; 3] = [
    Case {
        name: "texels of one word",
        format: TextureFormat::Rgba8Unorm,
        dimension: TextureDimension::D2,
        view: ViewDimension::D2Array,
        wgsl: ["texture_storage_2d_array", "rgba8unorm", "at.xy, at.z"],
    },
    Case {
        name: "texels of two words",
        format: TextureFormat::Rgba16Float,
        dimension: TextureDimension::D2,
        view: ViewDimension::D2,
        wgsl: ["texture_storage_2d", "rgba16float", "at.xy + vec2(0, 17 * at.z)"],
    },
    Case {
        name: "texels of four words",
        format: TextureFormat::Rgba32Float,
        dimension: TextureDimension::D3,
        view: ViewDimension::D3,
        wgsl: ["texture_storage_3d", "rgba32float", "at"],
    },
];

impl Case {
    fn shader(&self, text: &str) -> String {
        let [kind, format, place] = self.wgsl;
        text.replace("KIND", kind).replace("FORMAT", format).replace("PLACE", place)
    }

    /// A level of 32 × 16 texels, three slices or layers of it where there are some.
    fn seen(&self) -> (TextureShape, ViewShape) {
        let usage = texture_usage::STORAGE_BINDING;
        let size = [64, 32, 6];
        let shape =
            TextureShape { usage, format: self.format, dimension: self.dimension, size, mip_levels: 2 };
        let layers = if self.view == ViewDimension::D2Array { 3 } else { 1 };
        let view = ViewShape {
            dimension: Some(self.view),
            base_mip_level: 1,
            mip_levels: Some(1),
            base_layer: if self.dimension == TextureDimension::D2 { 2 } else { 0 },
            layers: Some(layers),
        };
        (shape, view)
    }
}

/// What a device makes of them.
///
/// # Errors
/// Why it makes nothing of them.
pub(super) fn probe(guest: &mut Guest, input: u32) -> Result<Vec<Found>, String> {
    let mut found = Vec::new();
    for case in &CASES {
        let shaders = [(case.shader(STORES), [0, 2]), (case.shader(LOADS), [1, 2])];
        let passes = shaders.each_ref().map(|(wgsl, bindings)| (&**wgsl, &bindings[..]));
        found.push(guest.texels(case.name, case.seen(), &passes, [2, 2, 5], input)?);
    }
    let shape = TextureShape {
        usage: texture_usage::STORAGE_BINDING,
        format: TextureFormat::R32Float,
        dimension: TextureDimension::D2,
        size: [32, 32, 1],
        mip_levels: 1,
    };
    let passes = [(EXCHANGE, &[0, 1, 2][..])];
    found.push(guest.texels("texels between barriers", (shape, WHOLE_VIEW), &passes, [2, 4, 1], input)?);
    Ok(found)
}

const WHOLE_VIEW: ViewShape =
    ViewShape { dimension: None, base_mip_level: 0, mip_levels: None, base_layer: 0, layers: None };

impl Guest {
    /// Runs shaders, one after the other, of which each uses some of three bindings: the input, the output, and a texture.
    fn texels(
        &mut self,
        name: &'static str,
        (shape, seen): (TextureShape, ViewShape),
        shaders: &[(&str, &[u32])],
        [x, y, z]: [u32; 3],
        input: u32,
    ) -> Result<Found, String> {
        let [output, texture, view, commands] = [(); 4].map(|()| self.id());
        let mut stream = Encoder::new();
        stream.create_buffer(output, STORAGE, 4 * WORDS as u64, false, "");
        stream.create_texture(texture, &shape, "");
        stream.create_texture_view(view, texture, &seen, "");
        let mut ready = Vec::new();
        for (wgsl, bindings) in shaders {
            let [shader, pipeline, layout, group] = [(); 4].map(|()| self.id());
            stream.create_shader(shader, "probe", wgsl);
            stream.create_compute_pipeline(pipeline, "", 0, shader, None, true, [].into_iter());
            stream.get_bind_group_layout(layout, pipeline, 0);
            let entries: Vec<_> = bindings
                .iter()
                .map(|binding| {
                    let (resource, size) = match binding {
                        0 => (input, WHOLE),
                        1 => (output, WHOLE),
                        _ => (view, 0),
                    };
                    BindGroupEntry { binding: *binding, resource, offset: 0, size }
                })
                .collect();
            stream.create_bind_group(group, "", layout, &entries);
            ready.push((pipeline, group));
        }
        stream.begin_commands(commands, "");
        stream.begin_pass("");
        for (pipeline, group) in ready {
            stream.set_pipeline(pipeline);
            stream.set_bind_group(0, group, &[]);
            stream.dispatch(x, y, z);
        }
        stream.end_pass();
        stream.end_commands();
        stream.submit(&[commands]);
        let bytes = self.finish(&stream, output, WORDS).map_err(String::from);
        bytes.map(|bytes| (name, digest(&bytes))).map_err(|error| format!("{name}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_it_is_exact() {
        let cases = CASES.iter().flat_map(|case| [case.shader(STORES), case.shader(LOADS)]);
        for wgsl in cases.chain([EXCHANGE.to_owned()]) {
            let checked = fizz_shader::check(&wgsl, "probe", &fizz_shader::ShaderLimits::default()).unwrap();
            assert_eq!(checked.classify("main"), [], "{wgsl}");
        }
    }
}
