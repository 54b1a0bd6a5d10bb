//! The GPU path: the sums of [`crate::means`], each pixel by an invocation of its own.
//!
//! This is ordinary `wgpu` code. In the sandbox, `fizz_wgpu::instance` reaches the host's GPU; natively, it is
//! the machine's own.

use crate::means::Block;
use crate::picture::Picture;
use crate::weights::Weights;
use fizz_sdk::block_on;
use std::sync::mpsc;
use wgpu::util::{BufferInitDescriptor, DeviceExt};

/// Invocations of a workgroup in each direction, as the shader says.
const WORKGROUP: u32 = 8;

/// Bytes of the result of one pixel: its colour, and how many patches were compared for it.
const RESULT_BYTES: u64 = 8;

/// A device, ready for blocks.
pub(crate) struct Gpu {
    name: String,
    device: wgpu::Device,
    queue: wgpu::Queue,
    pipeline: wgpu::ComputePipeline,
}

impl Gpu {
    /// Opens the GPU. `None` where the machine has none.
    ///
    /// # Errors
    /// Where there is a GPU, and it does not take the device or the shader.
    pub(crate) fn open() -> Result<Option<Self>, String> {
        let instance = fizz_wgpu::instance();
        let Ok(adapter) = block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default())) else {
            return Ok(None);
        };
        let (device, queue) = block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))
            .map_err(|e| format!("opening the GPU: {e}"))?;
        let pipeline = checked(&device, || {
            let module = device.create_shader_module(wgpu::include_wgsl!("means.wgsl"));
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some("denoise"),
                layout: None,
                module: &module,
                entry_point: Some("denoise"),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        })?;
        Ok(Some(Self { name: adapter.get_info().name, device, queue, pipeline }))
    }

    /// What the adapter calls itself.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tile without its noise.
    ///
    /// # Errors
    /// Where the tile is too large for the device, a command fails, or the driver ends the work early.
    pub(crate) fn denoise(&self, block: &Block, weights: &Weights) -> Result<Picture, String> {
        let (width, height) = (block.width as u32, block.height as u32);
        let size = u64::from(width) * u64::from(height) * RESULT_BYTES;
        let limits = self.device.limits();
        let largest = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        if size > largest || block.pixels.len() as u64 * 4 > largest {
            return Err(format!("a tile of {width}x{height} is too large for the GPU: take a finer grid"));
        }
        let read_back = checked(&self.device, || self.dispatch(block, weights, size))?;
        let words = self.read(&read_back)?;
        picture(block, &words)
    }

    /// Records and submits the work. Returns the buffer that will hold the results.
    fn dispatch(&self, block: &Block, weights: &Weights, size: u64) -> wgpu::Buffer {
        let (width, height) = (block.width as u32, block.height as u32);
        let job = [width, height, block.stride() as u32, block.search as u32, weights.shift];
        let job = self.upload("job", wgpu::BufferUsages::UNIFORM, job);
        let pixels = block.pixels.iter().map(|&[r, g, b]| u32::from_le_bytes([r, g, b, 0]));
        let pixels = self.upload("pixels", wgpu::BufferUsages::STORAGE, pixels);
        let weights = self.upload("weights", wgpu::BufferUsages::STORAGE, weights.table.iter().copied());
        let results =
            self.buffer("results", size, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC);
        let read_back =
            self.buffer("read back", size, wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST);

        let buffers = [&job, &pixels, &weights, &results];
        let entries: Vec<wgpu::BindGroupEntry<'_>> = (0u32..)
            .zip(buffers)
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("tile"),
            layout: &self.pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            pass.set_pipeline(&self.pipeline);
            pass.set_bind_group(0, &group, &[]);
            pass.dispatch_workgroups(width.div_ceil(WORKGROUP), height.div_ceil(WORKGROUP), 1);
        }
        encoder.copy_buffer_to_buffer(&results, 0, &read_back, 0, size);
        self.queue.submit([encoder.finish()]);
        read_back
    }

    fn buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        self.device.create_buffer(&descriptor)
    }

    fn upload(
        &self,
        label: &str,
        usage: wgpu::BufferUsages,
        words: impl IntoIterator<Item = u32>,
    ) -> wgpu::Buffer {
        let contents: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        self.device.create_buffer_init(&BufferInitDescriptor {
            label: Some(label),
            contents: &contents,
            usage,
        })
    }

    /// Waits for the work, and reads the words of a buffer.
    fn read(&self, buffer: &wgpu::Buffer) -> Result<Vec<u32>, String> {
        let (send, mapped) = mpsc::channel();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            // Nobody listens any more only where this function has already failed.
            let _ = send.send(result);
        });
        self.device
            .poll(wgpu::PollType::wait_indefinitely())
            .map_err(|e| format!("waiting for the GPU: {e}"))?;
        mapped
            .recv()
            .map_err(|_| "the GPU dropped the request to read its results".to_string())?
            .map_err(|e| format!("reading the GPU's results: {e}"))?;
        let bytes = buffer.get_mapped_range(..).map_err(|e| format!("reading the GPU's results: {e}"))?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|&word| u32::from_le_bytes(word)).collect())
    }
}

/// Runs `work`, and gives the first error the device found in it.
fn checked<T>(device: &wgpu::Device, work: impl FnOnce() -> T) -> Result<T, String> {
    let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
    let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
    let result = work();
    match block_on(validation.pop()).or(block_on(memory.pop())) {
        Some(error) => Err(format!("the GPU refused the work: {error}")),
        None => Ok(result),
    }
}

/// The picture in the results, if every pixel is complete.
///
/// A driver may end a loop that it finds too long and say nothing (Mesa's software driver does, at 65,535
/// rounds of all loops together), which would leave a picture that looks right and is not. So each
/// invocation counts its comparisons, and here the counts are checked.
fn picture(block: &Block, words: &[u32]) -> Result<Picture, String> {
    let results = words.as_chunks::<2>().0;
    let wanted = block.comparisons() as u32;
    let cut = results.iter().filter(|[_, compared]| *compared != wanted).count();
    if cut > 0 || results.len() != block.width * block.height {
        return Err(format!("the GPU's driver ended the work early at {cut} of {} pixels", results.len()));
    }
    let pixels = results.iter().map(|[colour, _]| {
        let [r, g, b, _] = colour.to_le_bytes();
        [r, g, b]
    });
    Ok(Picture { width: block.width as u32, height: block.height as u32, pixels: pixels.collect() })
}

#[cfg(test)]
mod tests {
    use super::{Gpu, picture};
    use crate::grid::{Grid, Tile};
    use crate::means::{self, Block};
    use crate::noise;
    use crate::picture::Picture;
    use crate::sensor::photograph;
    use crate::weights::Weights;

    /// Where the machine has no adapter, its CPU path is all there is, and CI must say so by failing.
    fn gpu() -> Option<Gpu> {
        let gpu = Gpu::open().unwrap();
        if gpu.is_none() {
            eprintln!("NOT TESTED: no GPU adapter. Install mesa-vulkan-drivers for a software one.");
            assert!(std::env::var_os("CI").is_none(), "CI must have an adapter");
        }
        gpu
    }

    fn noisy(side: u32) -> Picture {
        let pixels = (0..side * side).map(|i| [(i / side) as u8, (i % side * 3) as u8, 128]).collect();
        photograph(&Picture { width: side, height: side, pixels }, 15.0, 7).unwrap()
    }

    #[test]
    fn gpu_and_cpu_give_the_same_bytes() {
        let Some(gpu) = gpu() else { return };
        let picture = noisy(90);
        let grid: Grid = "2x3".parse().unwrap();
        for sigma in [noise::estimate(&picture), 0.0, 3.0, 60.0, 200.0] {
            let weights = Weights::for_noise(sigma);
            for tile in grid.tiles(&picture) {
                let block = Block::cut(&picture, &tile);
                assert_eq!(gpu.denoise(&block, &weights).unwrap(), means::denoise(&block, &weights));
            }
        }
    }

    #[test]
    fn work_that_a_driver_cuts_short_is_never_taken_for_done() {
        let Some(gpu) = gpu() else { return };
        // 301 × 301 comparisons are more rounds than Mesa's software driver makes. Small weights keep the
        // sums below 32 bits.
        let picture = noisy(40);
        let mut weights = Weights::for_noise(15.0);
        weights.table.iter_mut().for_each(|weight| *weight >>= 9);
        let block = Block::cut_for(&picture, &Tile { x: 10, y: 10, width: 8, height: 8 }, 150);
        match gpu.denoise(&block, &weights) {
            Ok(result) => assert_eq!(result, means::denoise(&block, &weights)),
            Err(message) => assert!(message.contains("ended the work early"), "{message}"),
        }
    }

    #[test]
    fn a_single_incomplete_pixel_is_found() {
        let source = noisy(3);
        let block = Block::cut(&source, &Tile { x: 0, y: 0, width: 2, height: 1 });
        let complete = picture(&block, &[0x0003_0201, 289, 0x0006_0504, 289]).unwrap();
        assert_eq!(complete.pixels, [[1, 2, 3], [4, 5, 6]]);
        let error = picture(&block, &[0x0003_0201, 289, 0x0006_0504, 288]).unwrap_err();
        assert_eq!(error, "the GPU's driver ended the work early at 1 of 2 pixels");
    }
}
