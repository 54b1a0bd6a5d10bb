// Sizes of the structures in WebAssembly, as the standard header at the commit that webgpu.h names has them. This file
// compiles against either header.
#include <webgpu/webgpu.h>

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type)

SIZE(WGPUStringView, 8);
SIZE(WGPUChainedStruct, 8);
SIZE(WGPUFuture, 8);
SIZE(WGPUBufferMapCallbackInfo, 20);
SIZE(WGPUCompilationInfoCallbackInfo, 20);
SIZE(WGPUCreateComputePipelineAsyncCallbackInfo, 20);
SIZE(WGPUDeviceLostCallbackInfo, 20);
SIZE(WGPUPopErrorScopeCallbackInfo, 20);
SIZE(WGPUQueueWorkDoneCallbackInfo, 20);
SIZE(WGPURequestAdapterCallbackInfo, 20);
SIZE(WGPURequestDeviceCallbackInfo, 20);
SIZE(WGPUUncapturedErrorCallbackInfo, 16);
SIZE(WGPUAdapterInfo, 60);
SIZE(WGPUBindGroupEntry, 40);
SIZE(WGPUBindGroupDescriptor, 24);
SIZE(WGPUBufferBindingLayout, 24);
SIZE(WGPUSamplerBindingLayout, 8);
SIZE(WGPUTextureBindingLayout, 16);
SIZE(WGPUStorageTextureBindingLayout, 16);
SIZE(WGPUBindGroupLayoutEntry, 88);
SIZE(WGPUBindGroupLayoutDescriptor, 20);
SIZE(WGPUBufferDescriptor, 40);
SIZE(WGPUCommandBufferDescriptor, 12);
SIZE(WGPUCommandEncoderDescriptor, 12);
SIZE(WGPUCompilationMessage, 48);
SIZE(WGPUCompilationInfo, 12);
SIZE(WGPUPassTimestampWrites, 16);
SIZE(WGPUComputePassDescriptor, 16);
SIZE(WGPUConstantEntry, 24);
SIZE(WGPUComputeState, 24);
SIZE(WGPUComputePipelineDescriptor, 40);
SIZE(WGPULimits, 152);
SIZE(WGPUQueueDescriptor, 12);
SIZE(WGPUDeviceDescriptor, 72);
SIZE(WGPUFutureWaitInfo, 16);
SIZE(WGPUInstanceLimits, 8);
SIZE(WGPUInstanceDescriptor, 16);
SIZE(WGPUPipelineLayoutDescriptor, 24);
SIZE(WGPURequestAdapterOptions, 24);
SIZE(WGPUShaderModuleDescriptor, 12);
SIZE(WGPUShaderSourceSPIRV, 16);
SIZE(WGPUShaderSourceWGSL, 16);
SIZE(WGPUSupportedFeatures, 8);
SIZE(WGPUSupportedInstanceFeatures, 8);
SIZE(WGPUSupportedWGSLLanguageFeatures, 8);
