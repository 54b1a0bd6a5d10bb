//! A device, and buffers of words.

pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    queue: wgpu::Queue,
    /// Whether a processor plays the GPU.
    pub(crate) software: bool,
}

impl Gpu {
    pub(crate) fn connect() -> Result<Self, String> {
        let instance = fizz_wgpu::instance();
        let wanted = wgpu::RequestAdapterOptions::default();
        let adapter = pollster::block_on(instance.request_adapter(&wanted)).map_err(|e| e.to_string())?;
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()))
            .map_err(|error| error.to_string())?;
        let software = adapter.get_info().device_type == wgpu::DeviceType::Cpu;
        Ok(Gpu { device, queue, software })
    }

    fn buffer(&self, words: u32) -> wgpu::Buffer {
        self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            // Nothing has room for nothing.
            size: 4 * u64::from(words.max(1)),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        })
    }

    /// A buffer with these words.
    pub(crate) fn storage(&self, words: &[u32]) -> wgpu::Buffer {
        let buffer = self.buffer(words.len() as u32);
        self.queue.write_buffer(&buffer, 0, bytemuck::cast_slice(words));
        buffer
    }

    /// A buffer whose words must all be overwritten.
    pub(crate) fn empty(&self, words: u32) -> wgpu::Buffer {
        self.storage(&vec![0xa5a5_a5a5; words as usize])
    }

    pub(crate) fn pass(&self, record: impl FnOnce(&mut wgpu::ComputePass<'_>)) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        self.queue.submit([encoder.finish()]);
    }

    pub(crate) fn read(&self, buffer: &wgpu::Buffer, words: u32) -> Vec<u32> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 4 * u64::from(words),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, staging.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |result| result.expect("it can be mapped"));
        self.device.poll(wgpu::PollType::wait_indefinitely()).expect("the device lives");
        let view = staging.get_mapped_range(..).expect("it is mapped");
        bytemuck::pod_collect_to_vec(&view)
    }
}
