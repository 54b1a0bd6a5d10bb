//! The network as burn has it.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d, Relu};
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::wgpu::WgpuSetup;
use burn::tensor::{Device, ExecutionError, Int, Tensor, TensorData};
use fizz_wgpu::wgpu;

use crate::data::{CLASSES, Digits, POINTS, SIDE};
use crate::weights::{FEATURES, FILTERS, HIDDEN, REACH, Weights};

/// burn's device on the GPU that Fizz lends, or why there is none.
pub(crate) async fn device() -> Result<Device, String> {
    let instance = fizz_wgpu::instance();
    let options = wgpu::RequestAdapterOptions::default();
    let adapter = instance.request_adapter(&options).await.map_err(|error| error.to_string())?;
    // burn writes its shaders for all that the adapter can do.
    let too_much = wgpu::Features::all_experimental_mask() | wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
    let wanted = wgpu::DeviceDescriptor {
        required_features: adapter.features() - too_much,
        required_limits: adapter.limits(),
        ..Default::default()
    };
    let (device, queue) = adapter.request_device(&wanted).await.map_err(|error| error.to_string())?;
    let backend = adapter.get_info().backend;
    let setup = WgpuSetup { instance, adapter, device, queue, backend };
    Device::wgpu_options().setup(setup).init().map_err(|error| error.to_string())
}

/// The layers.
#[derive(Module, Debug)]
pub(crate) struct Network {
    filters: Conv2d,
    pool: MaxPool2d,
    hidden: Linear,
    output: Linear,
    relu: Relu,
}

impl Network {
    /// A network that begins with these weights.
    pub(crate) fn new(weights: &Weights<f32>, device: &Device) -> Network {
        let padding = PaddingConfig2d::Explicit(REACH / 2, REACH / 2, REACH / 2, REACH / 2);
        let mut network = Network {
            filters: Conv2dConfig::new([1, FILTERS], [REACH, REACH]).with_padding(padding).init(device),
            pool: MaxPool2dConfig::new([2, 2]).init(),
            hidden: LinearConfig::new(FEATURES, HIDDEN).init(device),
            output: LinearConfig::new(HIDDEN, CLASSES).init(device),
            relu: Relu::new(),
        };
        let [filters, filter_bias, hidden, hidden_bias, output, output_bias] = &weights.0;
        network.filters.weight = parameter(filters, [FILTERS, 1, REACH, REACH], device);
        network.filters.bias = Some(parameter(filter_bias, [FILTERS], device));
        network.hidden.weight = parameter(hidden, [FEATURES, HIDDEN], device);
        network.hidden.bias = Some(parameter(hidden_bias, [HIDDEN], device));
        network.output.weight = parameter(output, [HIDDEN, CLASSES], device);
        network.output.bias = Some(parameter(output_bias, [CLASSES], device));
        network
    }

    /// The scores of a batch, one row for each picture.
    fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        let features = self.pool.forward(self.relu.forward(self.filters.forward(pictures)));
        let hidden = self.relu.forward(self.hidden.forward(features.flatten(1, 3)));
        self.output.forward(hidden)
    }

    /// The scores of pictures, one after the other.
    pub(crate) async fn scores(&self, pictures: &[f32], device: &Device) -> Result<Vec<f32>, String> {
        numbers(self.forward(batch(pictures, device))).await
    }

    /// What the network has learned.
    pub(crate) async fn weights(&self) -> Result<Weights<f32>, String> {
        let missing = || "a layer has no bias".to_owned();
        Ok(Weights([
            numbers(self.filters.weight.val()).await?,
            numbers(self.filters.bias.as_ref().ok_or_else(missing)?.val()).await?,
            numbers(self.hidden.weight.val()).await?,
            numbers(self.hidden.bias.as_ref().ok_or_else(missing)?.val()).await?,
            numbers(self.output.weight.val()).await?,
            numbers(self.output.bias.as_ref().ok_or_else(missing)?.val()).await?,
        ]))
    }
}

/// A network that learns by stochastic gradient descent.
pub(crate) struct Training {
    device: Device,
    network: Network,
    descent: ModuleOptimizer,
}

impl Training {
    pub(crate) fn new(weights: &Weights<f32>, device: &Device) -> Training {
        let device = device.clone().autodiff();
        Training { network: Network::new(weights, &device), descent: SgdConfig::new().init(), device }
    }

    /// One step on the mean cross entropy of a batch. Returns that mean, before the step.
    pub(crate) async fn step(mut self, digits: &Digits, rate: f64) -> Result<(Training, f32), String> {
        let labels: Vec<i32> = digits.labels.iter().map(|label| i32::from(*label)).collect();
        let labels = TensorData::new(labels, [digits.labels.len()]);
        let labels = Tensor::<1, Int>::from_data(labels, &self.device);
        let scores = self.network.forward(batch(&digits.pictures, &self.device));
        let loss = CrossEntropyLossConfig::new().init(&self.device).forward(scores, labels);
        let slopes = GradientsParams::from_grads(loss.backward(), &self.network);
        self.network = self.descent.step(rate, self.network, slopes);
        let loss = numbers(loss).await?;
        Ok((self, loss[0]))
    }

    /// What it has learned.
    pub(crate) async fn weights(&self) -> Result<Weights<f32>, String> {
        self.network.weights().await
    }
}

fn parameter<const D: usize>(numbers: &[f32], shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
    Param::from_data(TensorData::new(numbers.to_vec(), shape), device)
}

fn batch(pictures: &[f32], device: &Device) -> Tensor<4> {
    let shape = [pictures.len() / POINTS, 1, SIDE, SIDE];
    Tensor::from_data(TensorData::new(pictures.to_vec(), shape), device)
}

/// The numbers in a tensor. In the sandbox reading is done when the call returns, but burn takes every wasm for a
/// browser and offers only futures.
async fn numbers<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, String> {
    let data = tensor.into_data_async().await.map_err(|error: ExecutionError| format!("{error:?}"))?;
    data.try_into_vec().map_err(|error| format!("{error:?}"))
}
