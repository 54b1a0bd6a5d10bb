// The compute subset of webgpu.h for Fizz guests.
//
// Names, values, struct layouts and function signatures are those of the standard header, of
// https://github.com/webgpu-native/webgpu-headers at commit b3f67b8 of 2026-07-10, so that the same source compiles against
// either. See README.md beside this folder for what is there and how it behaves, and NOTICE for the licence of the
// standard header, from which these declarations are taken.
//
// SPDX-License-Identifier: BSD-3-Clause
#ifndef WEBGPU_H_
#define WEBGPU_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define WGPU_INIT_(type, ...) (type __VA_ARGS__)
#define WGPU_ZERO_(type) type(0)
#define WGPU_EMPTY_ {}
extern "C" {
#else
#define WGPU_INIT_(type, ...) ((type)__VA_ARGS__)
#define WGPU_ZERO_(type) (type)0
#define WGPU_EMPTY_ {0}
#endif

#define WGPU_TRUE (UINT32_C(1))
#define WGPU_FALSE (UINT32_C(0))
#define WGPU_ARRAY_LAYER_COUNT_UNDEFINED (UINT32_MAX)
#define WGPU_COPY_STRIDE_UNDEFINED (UINT32_MAX)
#define WGPU_LIMIT_U32_UNDEFINED (UINT32_MAX)
#define WGPU_LIMIT_U64_UNDEFINED (UINT64_MAX)
#define WGPU_MIP_LEVEL_COUNT_UNDEFINED (UINT32_MAX)
#define WGPU_QUERY_SET_INDEX_UNDEFINED (UINT32_MAX)
// The length of a text that ends with a zero byte.
#define WGPU_STRLEN (SIZE_MAX)
// Up to the end of the buffer.
#define WGPU_WHOLE_MAP_SIZE (SIZE_MAX)
#define WGPU_WHOLE_SIZE (UINT64_MAX)

typedef uint64_t WGPUFlags;
typedef uint32_t WGPUBool;

// Objects. They are counted: release each once for each time it was given to you or AddRef'd.

typedef struct WGPUAdapterImpl *WGPUAdapter;
typedef struct WGPUBindGroupImpl *WGPUBindGroup;
typedef struct WGPUBindGroupLayoutImpl *WGPUBindGroupLayout;
typedef struct WGPUBufferImpl *WGPUBuffer;
typedef struct WGPUCommandBufferImpl *WGPUCommandBuffer;
typedef struct WGPUCommandEncoderImpl *WGPUCommandEncoder;
typedef struct WGPUComputePassEncoderImpl *WGPUComputePassEncoder;
typedef struct WGPUComputePipelineImpl *WGPUComputePipeline;
typedef struct WGPUDeviceImpl *WGPUDevice;
typedef struct WGPUInstanceImpl *WGPUInstance;
typedef struct WGPUPipelineLayoutImpl *WGPUPipelineLayout;
typedef struct WGPUQuerySetImpl *WGPUQuerySet;
typedef struct WGPUQueueImpl *WGPUQueue;
typedef struct WGPUShaderModuleImpl *WGPUShaderModule;
typedef struct WGPUTextureImpl *WGPUTexture;
typedef struct WGPUTextureViewImpl *WGPUTextureView;
// There are none of these here; they stand in structs.
typedef struct WGPUSamplerImpl *WGPUSampler;
typedef struct WGPUSurfaceImpl *WGPUSurface;

// Enumerations. In WGPUSType only what has a meaning here.

typedef enum WGPUAdapterType {
    WGPUAdapterType_DiscreteGPU = 1,
    WGPUAdapterType_IntegratedGPU = 2,
    WGPUAdapterType_CPU = 3,
    WGPUAdapterType_Unknown = 4,
    WGPUAdapterType_Force32 = 0x7FFFFFFF,
} WGPUAdapterType;

typedef enum WGPUBackendType {
    WGPUBackendType_Undefined = 0,
    WGPUBackendType_Null = 1,
    WGPUBackendType_WebGPU = 2,
    WGPUBackendType_D3D11 = 3,
    WGPUBackendType_D3D12 = 4,
    WGPUBackendType_Metal = 5,
    WGPUBackendType_Vulkan = 6,
    WGPUBackendType_OpenGL = 7,
    WGPUBackendType_OpenGLES = 8,
    WGPUBackendType_Force32 = 0x7FFFFFFF,
} WGPUBackendType;

typedef enum WGPUBufferBindingType {
    WGPUBufferBindingType_BindingNotUsed = 0,
    WGPUBufferBindingType_Undefined = 1,
    WGPUBufferBindingType_Uniform = 2,
    WGPUBufferBindingType_Storage = 3,
    WGPUBufferBindingType_ReadOnlyStorage = 4,
    WGPUBufferBindingType_Force32 = 0x7FFFFFFF,
} WGPUBufferBindingType;

typedef enum WGPUBufferMapState {
    WGPUBufferMapState_Unmapped = 1,
    WGPUBufferMapState_Pending = 2,
    WGPUBufferMapState_Mapped = 3,
    WGPUBufferMapState_Force32 = 0x7FFFFFFF,
} WGPUBufferMapState;

typedef enum WGPUCallbackMode {
    WGPUCallbackMode_WaitAnyOnly = 1,
    WGPUCallbackMode_AllowProcessEvents = 2,
    WGPUCallbackMode_AllowSpontaneous = 3,
    WGPUCallbackMode_Force32 = 0x7FFFFFFF,
} WGPUCallbackMode;

typedef enum WGPUCompilationInfoRequestStatus {
    WGPUCompilationInfoRequestStatus_Success = 1,
    WGPUCompilationInfoRequestStatus_CallbackCancelled = 2,
    WGPUCompilationInfoRequestStatus_Force32 = 0x7FFFFFFF,
} WGPUCompilationInfoRequestStatus;

typedef enum WGPUCompilationMessageType {
    WGPUCompilationMessageType_Error = 1,
    WGPUCompilationMessageType_Warning = 2,
    WGPUCompilationMessageType_Info = 3,
    WGPUCompilationMessageType_Force32 = 0x7FFFFFFF,
} WGPUCompilationMessageType;

typedef enum WGPUCreatePipelineAsyncStatus {
    WGPUCreatePipelineAsyncStatus_Success = 1,
    WGPUCreatePipelineAsyncStatus_CallbackCancelled = 2,
    WGPUCreatePipelineAsyncStatus_ValidationError = 3,
    WGPUCreatePipelineAsyncStatus_InternalError = 4,
    WGPUCreatePipelineAsyncStatus_Force32 = 0x7FFFFFFF,
} WGPUCreatePipelineAsyncStatus;

typedef enum WGPUDeviceLostReason {
    WGPUDeviceLostReason_Unknown = 1,
    WGPUDeviceLostReason_Destroyed = 2,
    WGPUDeviceLostReason_CallbackCancelled = 3,
    WGPUDeviceLostReason_FailedCreation = 4,
    WGPUDeviceLostReason_Force32 = 0x7FFFFFFF,
} WGPUDeviceLostReason;

typedef enum WGPUErrorFilter {
    WGPUErrorFilter_Validation = 1,
    WGPUErrorFilter_OutOfMemory = 2,
    WGPUErrorFilter_Internal = 3,
    WGPUErrorFilter_Force32 = 0x7FFFFFFF,
} WGPUErrorFilter;

typedef enum WGPUErrorType {
    WGPUErrorType_NoError = 1,
    WGPUErrorType_Validation = 2,
    WGPUErrorType_OutOfMemory = 3,
    WGPUErrorType_Internal = 4,
    WGPUErrorType_Unknown = 5,
    WGPUErrorType_Force32 = 0x7FFFFFFF,
} WGPUErrorType;

typedef enum WGPUFeatureLevel {
    WGPUFeatureLevel_Undefined = 0,
    WGPUFeatureLevel_Compatibility = 1,
    WGPUFeatureLevel_Core = 2,
    WGPUFeatureLevel_Force32 = 0x7FFFFFFF,
} WGPUFeatureLevel;

typedef enum WGPUFeatureName {
    WGPUFeatureName_CoreFeaturesAndLimits = 1,
    WGPUFeatureName_DepthClipControl = 2,
    WGPUFeatureName_Depth32FloatStencil8 = 3,
    WGPUFeatureName_TextureCompressionBC = 4,
    WGPUFeatureName_TextureCompressionBCSliced3D = 5,
    WGPUFeatureName_TextureCompressionETC2 = 6,
    WGPUFeatureName_TextureCompressionASTC = 7,
    WGPUFeatureName_TextureCompressionASTCSliced3D = 8,
    WGPUFeatureName_TimestampQuery = 9,
    WGPUFeatureName_IndirectFirstInstance = 10,
    WGPUFeatureName_ShaderF16 = 11,
    WGPUFeatureName_RG11B10UfloatRenderable = 12,
    WGPUFeatureName_BGRA8UnormStorage = 13,
    WGPUFeatureName_Float32Filterable = 14,
    WGPUFeatureName_Float32Blendable = 15,
    WGPUFeatureName_ClipDistances = 16,
    WGPUFeatureName_DualSourceBlending = 17,
    WGPUFeatureName_Subgroups = 18,
    WGPUFeatureName_TextureFormatsTier1 = 19,
    WGPUFeatureName_TextureFormatsTier2 = 20,
    WGPUFeatureName_PrimitiveIndex = 21,
    WGPUFeatureName_TextureComponentSwizzle = 22,
    WGPUFeatureName_SubgroupSizeControl = 23,
    WGPUFeatureName_Force32 = 0x7FFFFFFF,
} WGPUFeatureName;

typedef enum WGPUInstanceFeatureName {
    WGPUInstanceFeatureName_TimedWaitAny = 1,
    WGPUInstanceFeatureName_ShaderSourceSPIRV = 2,
    WGPUInstanceFeatureName_MultipleDevicesPerAdapter = 3,
    WGPUInstanceFeatureName_Force32 = 0x7FFFFFFF,
} WGPUInstanceFeatureName;

typedef enum WGPUMapAsyncStatus {
    WGPUMapAsyncStatus_Success = 1,
    WGPUMapAsyncStatus_CallbackCancelled = 2,
    WGPUMapAsyncStatus_Error = 3,
    WGPUMapAsyncStatus_Aborted = 4,
    WGPUMapAsyncStatus_Force32 = 0x7FFFFFFF,
} WGPUMapAsyncStatus;

typedef enum WGPUPopErrorScopeStatus {
    WGPUPopErrorScopeStatus_Success = 1,
    WGPUPopErrorScopeStatus_CallbackCancelled = 2,
    WGPUPopErrorScopeStatus_Error = 3,
    WGPUPopErrorScopeStatus_Force32 = 0x7FFFFFFF,
} WGPUPopErrorScopeStatus;

typedef enum WGPUPowerPreference {
    WGPUPowerPreference_Undefined = 0,
    WGPUPowerPreference_LowPower = 1,
    WGPUPowerPreference_HighPerformance = 2,
    WGPUPowerPreference_Force32 = 0x7FFFFFFF,
} WGPUPowerPreference;

typedef enum WGPUQueryType {
    WGPUQueryType_Occlusion = 1,
    WGPUQueryType_Timestamp = 2,
    WGPUQueryType_Force32 = 0x7FFFFFFF,
} WGPUQueryType;

typedef enum WGPUQueueWorkDoneStatus {
    WGPUQueueWorkDoneStatus_Success = 1,
    WGPUQueueWorkDoneStatus_CallbackCancelled = 2,
    WGPUQueueWorkDoneStatus_Error = 3,
    WGPUQueueWorkDoneStatus_Force32 = 0x7FFFFFFF,
} WGPUQueueWorkDoneStatus;

typedef enum WGPURequestAdapterStatus {
    WGPURequestAdapterStatus_Success = 1,
    WGPURequestAdapterStatus_CallbackCancelled = 2,
    WGPURequestAdapterStatus_Unavailable = 3,
    WGPURequestAdapterStatus_Error = 4,
    WGPURequestAdapterStatus_Force32 = 0x7FFFFFFF,
} WGPURequestAdapterStatus;

typedef enum WGPURequestDeviceStatus {
    WGPURequestDeviceStatus_Success = 1,
    WGPURequestDeviceStatus_CallbackCancelled = 2,
    WGPURequestDeviceStatus_Error = 3,
    WGPURequestDeviceStatus_Force32 = 0x7FFFFFFF,
} WGPURequestDeviceStatus;

typedef enum WGPUSamplerBindingType {
    WGPUSamplerBindingType_BindingNotUsed = 0,
    WGPUSamplerBindingType_Undefined = 1,
    WGPUSamplerBindingType_Filtering = 2,
    WGPUSamplerBindingType_NonFiltering = 3,
    WGPUSamplerBindingType_Comparison = 4,
    WGPUSamplerBindingType_Force32 = 0x7FFFFFFF,
} WGPUSamplerBindingType;

typedef enum WGPUStatus {
    WGPUStatus_Success = 1,
    WGPUStatus_Error = 2,
    WGPUStatus_Force32 = 0x7FFFFFFF,
} WGPUStatus;

typedef enum WGPUStorageTextureAccess {
    WGPUStorageTextureAccess_BindingNotUsed = 0,
    WGPUStorageTextureAccess_Undefined = 1,
    WGPUStorageTextureAccess_WriteOnly = 2,
    WGPUStorageTextureAccess_ReadOnly = 3,
    WGPUStorageTextureAccess_ReadWrite = 4,
    WGPUStorageTextureAccess_Force32 = 0x7FFFFFFF,
} WGPUStorageTextureAccess;

typedef enum WGPUSType {
    WGPUSType_ShaderSourceSPIRV = 1,
    WGPUSType_ShaderSourceWGSL = 2,
    WGPUSType_TextureBindingViewDimension = 16,
    WGPUSType_Force32 = 0x7FFFFFFF,
} WGPUSType;

typedef enum WGPUTextureAspect {
    WGPUTextureAspect_Undefined = 0,
    WGPUTextureAspect_All = 1,
    WGPUTextureAspect_StencilOnly = 2,
    WGPUTextureAspect_DepthOnly = 3,
    WGPUTextureAspect_Force32 = 0x7FFFFFFF,
} WGPUTextureAspect;

typedef enum WGPUTextureDimension {
    WGPUTextureDimension_Undefined = 0,
    WGPUTextureDimension_1D = 1,
    WGPUTextureDimension_2D = 2,
    WGPUTextureDimension_3D = 3,
    WGPUTextureDimension_Force32 = 0x7FFFFFFF,
} WGPUTextureDimension;

typedef enum WGPUTextureFormat {
    WGPUTextureFormat_Undefined = 0,
    WGPUTextureFormat_R8Unorm = 1,
    WGPUTextureFormat_R8Snorm = 2,
    WGPUTextureFormat_R8Uint = 3,
    WGPUTextureFormat_R8Sint = 4,
    WGPUTextureFormat_R16Unorm = 5,
    WGPUTextureFormat_R16Snorm = 6,
    WGPUTextureFormat_R16Uint = 7,
    WGPUTextureFormat_R16Sint = 8,
    WGPUTextureFormat_R16Float = 9,
    WGPUTextureFormat_RG8Unorm = 10,
    WGPUTextureFormat_RG8Snorm = 11,
    WGPUTextureFormat_RG8Uint = 12,
    WGPUTextureFormat_RG8Sint = 13,
    WGPUTextureFormat_R32Float = 14,
    WGPUTextureFormat_R32Uint = 15,
    WGPUTextureFormat_R32Sint = 16,
    WGPUTextureFormat_RG16Unorm = 17,
    WGPUTextureFormat_RG16Snorm = 18,
    WGPUTextureFormat_RG16Uint = 19,
    WGPUTextureFormat_RG16Sint = 20,
    WGPUTextureFormat_RG16Float = 21,
    WGPUTextureFormat_RGBA8Unorm = 22,
    WGPUTextureFormat_RGBA8UnormSrgb = 23,
    WGPUTextureFormat_RGBA8Snorm = 24,
    WGPUTextureFormat_RGBA8Uint = 25,
    WGPUTextureFormat_RGBA8Sint = 26,
    WGPUTextureFormat_BGRA8Unorm = 27,
    WGPUTextureFormat_BGRA8UnormSrgb = 28,
    WGPUTextureFormat_RGB10A2Uint = 29,
    WGPUTextureFormat_RGB10A2Unorm = 30,
    WGPUTextureFormat_RG11B10Ufloat = 31,
    WGPUTextureFormat_RGB9E5Ufloat = 32,
    WGPUTextureFormat_RG32Float = 33,
    WGPUTextureFormat_RG32Uint = 34,
    WGPUTextureFormat_RG32Sint = 35,
    WGPUTextureFormat_RGBA16Unorm = 36,
    WGPUTextureFormat_RGBA16Snorm = 37,
    WGPUTextureFormat_RGBA16Uint = 38,
    WGPUTextureFormat_RGBA16Sint = 39,
    WGPUTextureFormat_RGBA16Float = 40,
    WGPUTextureFormat_RGBA32Float = 41,
    WGPUTextureFormat_RGBA32Uint = 42,
    WGPUTextureFormat_RGBA32Sint = 43,
    WGPUTextureFormat_Stencil8 = 44,
    WGPUTextureFormat_Depth16Unorm = 45,
    WGPUTextureFormat_Depth24Plus = 46,
    WGPUTextureFormat_Depth24PlusStencil8 = 47,
    WGPUTextureFormat_Depth32Float = 48,
    WGPUTextureFormat_Depth32FloatStencil8 = 49,
    WGPUTextureFormat_BC1RGBAUnorm = 50,
    WGPUTextureFormat_BC1RGBAUnormSrgb = 51,
    WGPUTextureFormat_BC2RGBAUnorm = 52,
    WGPUTextureFormat_BC2RGBAUnormSrgb = 53,
    WGPUTextureFormat_BC3RGBAUnorm = 54,
    WGPUTextureFormat_BC3RGBAUnormSrgb = 55,
    WGPUTextureFormat_BC4RUnorm = 56,
    WGPUTextureFormat_BC4RSnorm = 57,
    WGPUTextureFormat_BC5RGUnorm = 58,
    WGPUTextureFormat_BC5RGSnorm = 59,
    WGPUTextureFormat_BC6HRGBUfloat = 60,
    WGPUTextureFormat_BC6HRGBFloat = 61,
    WGPUTextureFormat_BC7RGBAUnorm = 62,
    WGPUTextureFormat_BC7RGBAUnormSrgb = 63,
    WGPUTextureFormat_ETC2RGB8Unorm = 64,
    WGPUTextureFormat_ETC2RGB8UnormSrgb = 65,
    WGPUTextureFormat_ETC2RGB8A1Unorm = 66,
    WGPUTextureFormat_ETC2RGB8A1UnormSrgb = 67,
    WGPUTextureFormat_ETC2RGBA8Unorm = 68,
    WGPUTextureFormat_ETC2RGBA8UnormSrgb = 69,
    WGPUTextureFormat_EACR11Unorm = 70,
    WGPUTextureFormat_EACR11Snorm = 71,
    WGPUTextureFormat_EACRG11Unorm = 72,
    WGPUTextureFormat_EACRG11Snorm = 73,
    WGPUTextureFormat_ASTC4x4Unorm = 74,
    WGPUTextureFormat_ASTC4x4UnormSrgb = 75,
    WGPUTextureFormat_ASTC5x4Unorm = 76,
    WGPUTextureFormat_ASTC5x4UnormSrgb = 77,
    WGPUTextureFormat_ASTC5x5Unorm = 78,
    WGPUTextureFormat_ASTC5x5UnormSrgb = 79,
    WGPUTextureFormat_ASTC6x5Unorm = 80,
    WGPUTextureFormat_ASTC6x5UnormSrgb = 81,
    WGPUTextureFormat_ASTC6x6Unorm = 82,
    WGPUTextureFormat_ASTC6x6UnormSrgb = 83,
    WGPUTextureFormat_ASTC8x5Unorm = 84,
    WGPUTextureFormat_ASTC8x5UnormSrgb = 85,
    WGPUTextureFormat_ASTC8x6Unorm = 86,
    WGPUTextureFormat_ASTC8x6UnormSrgb = 87,
    WGPUTextureFormat_ASTC8x8Unorm = 88,
    WGPUTextureFormat_ASTC8x8UnormSrgb = 89,
    WGPUTextureFormat_ASTC10x5Unorm = 90,
    WGPUTextureFormat_ASTC10x5UnormSrgb = 91,
    WGPUTextureFormat_ASTC10x6Unorm = 92,
    WGPUTextureFormat_ASTC10x6UnormSrgb = 93,
    WGPUTextureFormat_ASTC10x8Unorm = 94,
    WGPUTextureFormat_ASTC10x8UnormSrgb = 95,
    WGPUTextureFormat_ASTC10x10Unorm = 96,
    WGPUTextureFormat_ASTC10x10UnormSrgb = 97,
    WGPUTextureFormat_ASTC12x10Unorm = 98,
    WGPUTextureFormat_ASTC12x10UnormSrgb = 99,
    WGPUTextureFormat_ASTC12x12Unorm = 100,
    WGPUTextureFormat_ASTC12x12UnormSrgb = 101,
    WGPUTextureFormat_Force32 = 0x7FFFFFFF,
} WGPUTextureFormat;

typedef enum WGPUTextureSampleType {
    WGPUTextureSampleType_BindingNotUsed = 0,
    WGPUTextureSampleType_Undefined = 1,
    WGPUTextureSampleType_Float = 2,
    WGPUTextureSampleType_UnfilterableFloat = 3,
    WGPUTextureSampleType_Depth = 4,
    WGPUTextureSampleType_Sint = 5,
    WGPUTextureSampleType_Uint = 6,
    WGPUTextureSampleType_Force32 = 0x7FFFFFFF,
} WGPUTextureSampleType;

typedef enum WGPUTextureViewDimension {
    WGPUTextureViewDimension_Undefined = 0,
    WGPUTextureViewDimension_1D = 1,
    WGPUTextureViewDimension_2D = 2,
    WGPUTextureViewDimension_2DArray = 3,
    WGPUTextureViewDimension_Cube = 4,
    WGPUTextureViewDimension_CubeArray = 5,
    WGPUTextureViewDimension_3D = 6,
    WGPUTextureViewDimension_Force32 = 0x7FFFFFFF,
} WGPUTextureViewDimension;

typedef enum WGPUWaitStatus {
    WGPUWaitStatus_Success = 1,
    WGPUWaitStatus_TimedOut = 2,
    WGPUWaitStatus_Error = 3,
    WGPUWaitStatus_Force32 = 0x7FFFFFFF,
} WGPUWaitStatus;

typedef enum WGPUWGSLLanguageFeatureName {
    WGPUWGSLLanguageFeatureName_ReadonlyAndReadwriteStorageTextures = 1,
    WGPUWGSLLanguageFeatureName_Packed4x8IntegerDotProduct = 2,
    WGPUWGSLLanguageFeatureName_UnrestrictedPointerParameters = 3,
    WGPUWGSLLanguageFeatureName_PointerCompositeAccess = 4,
    WGPUWGSLLanguageFeatureName_UniformBufferStandardLayout = 5,
    WGPUWGSLLanguageFeatureName_SubgroupId = 6,
    WGPUWGSLLanguageFeatureName_TextureAndSamplerLet = 7,
    WGPUWGSLLanguageFeatureName_SubgroupUniformity = 8,
    WGPUWGSLLanguageFeatureName_TextureFormatsTier1 = 9,
    WGPUWGSLLanguageFeatureName_LinearIndexing = 10,
    WGPUWGSLLanguageFeatureName_ImmediateAddressSpace = 11,
    WGPUWGSLLanguageFeatureName_Force32 = 0x7FFFFFFF,
} WGPUWGSLLanguageFeatureName;

// Sets of bits.

typedef WGPUFlags WGPUBufferUsage;
static const WGPUBufferUsage WGPUBufferUsage_None = 0x000;
static const WGPUBufferUsage WGPUBufferUsage_MapRead = 0x001;
static const WGPUBufferUsage WGPUBufferUsage_MapWrite = 0x002;
static const WGPUBufferUsage WGPUBufferUsage_CopySrc = 0x004;
static const WGPUBufferUsage WGPUBufferUsage_CopyDst = 0x008;
static const WGPUBufferUsage WGPUBufferUsage_Index = 0x010;
static const WGPUBufferUsage WGPUBufferUsage_Vertex = 0x020;
static const WGPUBufferUsage WGPUBufferUsage_Uniform = 0x040;
static const WGPUBufferUsage WGPUBufferUsage_Storage = 0x080;
static const WGPUBufferUsage WGPUBufferUsage_Indirect = 0x100;
static const WGPUBufferUsage WGPUBufferUsage_QueryResolve = 0x200;

typedef WGPUFlags WGPUMapMode;
static const WGPUMapMode WGPUMapMode_None = 0x000;
static const WGPUMapMode WGPUMapMode_Read = 0x001;
static const WGPUMapMode WGPUMapMode_Write = 0x002;

typedef WGPUFlags WGPUShaderStage;
static const WGPUShaderStage WGPUShaderStage_None = 0x000;
static const WGPUShaderStage WGPUShaderStage_Vertex = 0x001;
static const WGPUShaderStage WGPUShaderStage_Fragment = 0x002;
static const WGPUShaderStage WGPUShaderStage_Compute = 0x004;

typedef WGPUFlags WGPUTextureUsage;
static const WGPUTextureUsage WGPUTextureUsage_None = 0x000;
static const WGPUTextureUsage WGPUTextureUsage_CopySrc = 0x001;
static const WGPUTextureUsage WGPUTextureUsage_CopyDst = 0x002;
static const WGPUTextureUsage WGPUTextureUsage_TextureBinding = 0x004;
static const WGPUTextureUsage WGPUTextureUsage_StorageBinding = 0x008;
static const WGPUTextureUsage WGPUTextureUsage_RenderAttachment = 0x010;
static const WGPUTextureUsage WGPUTextureUsage_TransientAttachment = 0x020;

// Structures, with the values that their INIT macros give.

typedef struct WGPUStringView {
    const char *data;
    size_t length;
} WGPUStringView;
#define WGPU_STRING_VIEW_INIT WGPU_INIT_(WGPUStringView, {NULL, WGPU_STRLEN})

typedef struct WGPUChainedStruct {
    struct WGPUChainedStruct *next;
    WGPUSType sType;
} WGPUChainedStruct;

typedef struct WGPUFuture {
    uint64_t id;
} WGPUFuture;
#define WGPU_FUTURE_INIT WGPU_INIT_(WGPUFuture, {0})

// Callbacks. Texts and the structures behind pointers last as long as the call.

struct WGPUCompilationInfo;
typedef void (*WGPUBufferMapCallback)(WGPUMapAsyncStatus status, WGPUStringView message, void *userdata1,
    void *userdata2);
typedef void (*WGPUCompilationInfoCallback)(WGPUCompilationInfoRequestStatus status,
    const struct WGPUCompilationInfo *compilationInfo, void *userdata1, void *userdata2);
typedef void (*WGPUCreateComputePipelineAsyncCallback)(WGPUCreatePipelineAsyncStatus status,
    WGPUComputePipeline pipeline, WGPUStringView message, void *userdata1, void *userdata2);
typedef void (*WGPUDeviceLostCallback)(const WGPUDevice *device, WGPUDeviceLostReason reason, WGPUStringView message,
    void *userdata1, void *userdata2);
typedef void (*WGPUPopErrorScopeCallback)(WGPUPopErrorScopeStatus status, WGPUErrorType type, WGPUStringView message,
    void *userdata1, void *userdata2);
typedef void (*WGPUQueueWorkDoneCallback)(WGPUQueueWorkDoneStatus status, WGPUStringView message, void *userdata1,
    void *userdata2);
typedef void (*WGPURequestAdapterCallback)(WGPURequestAdapterStatus status, WGPUAdapter adapter,
    WGPUStringView message, void *userdata1, void *userdata2);
typedef void (*WGPURequestDeviceCallback)(WGPURequestDeviceStatus status, WGPUDevice device, WGPUStringView message,
    void *userdata1, void *userdata2);
typedef void (*WGPUUncapturedErrorCallback)(const WGPUDevice *device, WGPUErrorType type, WGPUStringView message,
    void *userdata1, void *userdata2);

typedef struct WGPUBufferMapCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPUBufferMapCallback callback;
    void *userdata1;
    void *userdata2;
} WGPUBufferMapCallbackInfo;
#define WGPU_BUFFER_MAP_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPUBufferMapCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPUCompilationInfoCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPUCompilationInfoCallback callback;
    void *userdata1;
    void *userdata2;
} WGPUCompilationInfoCallbackInfo;
#define WGPU_COMPILATION_INFO_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPUCompilationInfoCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPUCreateComputePipelineAsyncCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPUCreateComputePipelineAsyncCallback callback;
    void *userdata1;
    void *userdata2;
} WGPUCreateComputePipelineAsyncCallbackInfo;
#define WGPU_CREATE_COMPUTE_PIPELINE_ASYNC_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPUCreateComputePipelineAsyncCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPUDeviceLostCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPUDeviceLostCallback callback;
    void *userdata1;
    void *userdata2;
} WGPUDeviceLostCallbackInfo;
#define WGPU_DEVICE_LOST_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPUDeviceLostCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPUPopErrorScopeCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPUPopErrorScopeCallback callback;
    void *userdata1;
    void *userdata2;
} WGPUPopErrorScopeCallbackInfo;
#define WGPU_POP_ERROR_SCOPE_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPUPopErrorScopeCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPUQueueWorkDoneCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPUQueueWorkDoneCallback callback;
    void *userdata1;
    void *userdata2;
} WGPUQueueWorkDoneCallbackInfo;
#define WGPU_QUEUE_WORK_DONE_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPUQueueWorkDoneCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPURequestAdapterCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPURequestAdapterCallback callback;
    void *userdata1;
    void *userdata2;
} WGPURequestAdapterCallbackInfo;
#define WGPU_REQUEST_ADAPTER_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPURequestAdapterCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPURequestDeviceCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUCallbackMode mode;
    WGPURequestDeviceCallback callback;
    void *userdata1;
    void *userdata2;
} WGPURequestDeviceCallbackInfo;
#define WGPU_REQUEST_DEVICE_CALLBACK_INFO_INIT \
    WGPU_INIT_(WGPURequestDeviceCallbackInfo, { \
        NULL, WGPU_ZERO_(WGPUCallbackMode), NULL, NULL, NULL \
    })

typedef struct WGPUUncapturedErrorCallbackInfo {
    WGPUChainedStruct *nextInChain;
    WGPUUncapturedErrorCallback callback;
    void *userdata1;
    void *userdata2;
} WGPUUncapturedErrorCallbackInfo;
#define WGPU_UNCAPTURED_ERROR_CALLBACK_INFO_INIT WGPU_INIT_(WGPUUncapturedErrorCallbackInfo, {NULL, NULL, NULL, NULL})

typedef struct WGPUAdapterInfo {
    WGPUChainedStruct *nextInChain;
    WGPUStringView vendor;
    WGPUStringView architecture;
    WGPUStringView device;
    WGPUStringView description;
    WGPUBackendType backendType;
    WGPUAdapterType adapterType;
    uint32_t vendorID;
    uint32_t deviceID;
    uint32_t subgroupMinSize;
    uint32_t subgroupMaxSize;
} WGPUAdapterInfo;
#define WGPU_ADAPTER_INFO_INIT \
    WGPU_INIT_(WGPUAdapterInfo, { \
        NULL, WGPU_STRING_VIEW_INIT, WGPU_STRING_VIEW_INIT, WGPU_STRING_VIEW_INIT, WGPU_STRING_VIEW_INIT, \
        WGPUBackendType_Undefined, WGPU_ZERO_(WGPUAdapterType), 0, 0, 0, 0 \
    })

typedef struct WGPUBindGroupEntry {
    WGPUChainedStruct *nextInChain;
    uint32_t binding;
    WGPUBuffer buffer;
    uint64_t offset;
    uint64_t size;
    WGPUSampler sampler;
    WGPUTextureView textureView;
} WGPUBindGroupEntry;
#define WGPU_BIND_GROUP_ENTRY_INIT WGPU_INIT_(WGPUBindGroupEntry, {NULL, 0, NULL, 0, WGPU_WHOLE_SIZE, NULL, NULL})

typedef struct WGPUBindGroupDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    WGPUBindGroupLayout layout;
    size_t entryCount;
    const WGPUBindGroupEntry *entries;
} WGPUBindGroupDescriptor;
#define WGPU_BIND_GROUP_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUBindGroupDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, NULL, 0, NULL \
    })

typedef struct WGPUBufferBindingLayout {
    WGPUChainedStruct *nextInChain;
    WGPUBufferBindingType type;
    WGPUBool hasDynamicOffset;
    uint64_t minBindingSize;
} WGPUBufferBindingLayout;
#define WGPU_BUFFER_BINDING_LAYOUT_INIT \
    WGPU_INIT_(WGPUBufferBindingLayout, { \
        NULL, WGPUBufferBindingType_Undefined, WGPU_FALSE, 0 \
    })

typedef struct WGPUSamplerBindingLayout {
    WGPUChainedStruct *nextInChain;
    WGPUSamplerBindingType type;
} WGPUSamplerBindingLayout;
#define WGPU_SAMPLER_BINDING_LAYOUT_INIT \
    WGPU_INIT_(WGPUSamplerBindingLayout, { \
        NULL, WGPUSamplerBindingType_Undefined \
    })

typedef struct WGPUTextureBindingLayout {
    WGPUChainedStruct *nextInChain;
    WGPUTextureSampleType sampleType;
    WGPUTextureViewDimension viewDimension;
    WGPUBool multisampled;
} WGPUTextureBindingLayout;
#define WGPU_TEXTURE_BINDING_LAYOUT_INIT \
    WGPU_INIT_(WGPUTextureBindingLayout, { \
        NULL, WGPUTextureSampleType_Undefined, WGPUTextureViewDimension_Undefined, WGPU_FALSE \
    })

typedef struct WGPUStorageTextureBindingLayout {
    WGPUChainedStruct *nextInChain;
    WGPUStorageTextureAccess access;
    WGPUTextureFormat format;
    WGPUTextureViewDimension viewDimension;
} WGPUStorageTextureBindingLayout;
#define WGPU_STORAGE_TEXTURE_BINDING_LAYOUT_INIT \
    WGPU_INIT_(WGPUStorageTextureBindingLayout, { \
        NULL, WGPUStorageTextureAccess_Undefined, WGPUTextureFormat_Undefined, WGPUTextureViewDimension_Undefined \
    })

typedef struct WGPUBindGroupLayoutEntry {
    WGPUChainedStruct *nextInChain;
    uint32_t binding;
    WGPUShaderStage visibility;
    uint32_t bindingArraySize;
    WGPUBufferBindingLayout buffer;
    WGPUSamplerBindingLayout sampler;
    WGPUTextureBindingLayout texture;
    WGPUStorageTextureBindingLayout storageTexture;
} WGPUBindGroupLayoutEntry;
#define WGPU_BIND_GROUP_LAYOUT_ENTRY_INIT \
    WGPU_INIT_(WGPUBindGroupLayoutEntry, { \
        NULL, 0, WGPUShaderStage_None, 0, WGPU_EMPTY_, WGPU_EMPTY_, WGPU_EMPTY_, WGPU_EMPTY_ \
    })

typedef struct WGPUBindGroupLayoutDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    size_t entryCount;
    const WGPUBindGroupLayoutEntry *entries;
} WGPUBindGroupLayoutDescriptor;
#define WGPU_BIND_GROUP_LAYOUT_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUBindGroupLayoutDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, 0, NULL \
    })

typedef struct WGPUBufferDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    WGPUBufferUsage usage;
    uint64_t size;
    WGPUBool mappedAtCreation;
} WGPUBufferDescriptor;
#define WGPU_BUFFER_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUBufferDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, WGPUBufferUsage_None, 0, WGPU_FALSE \
    })

typedef struct WGPUCommandBufferDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
} WGPUCommandBufferDescriptor;
#define WGPU_COMMAND_BUFFER_DESCRIPTOR_INIT WGPU_INIT_(WGPUCommandBufferDescriptor, {NULL, WGPU_STRING_VIEW_INIT})

typedef struct WGPUCommandEncoderDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
} WGPUCommandEncoderDescriptor;
#define WGPU_COMMAND_ENCODER_DESCRIPTOR_INIT WGPU_INIT_(WGPUCommandEncoderDescriptor, {NULL, WGPU_STRING_VIEW_INIT})

typedef struct WGPUCompilationMessage {
    WGPUChainedStruct *nextInChain;
    WGPUStringView message;
    WGPUCompilationMessageType type;
    uint64_t lineNum;
    uint64_t linePos;
    uint64_t offset;
    uint64_t length;
} WGPUCompilationMessage;
#define WGPU_COMPILATION_MESSAGE_INIT \
    WGPU_INIT_(WGPUCompilationMessage, { \
        NULL, WGPU_STRING_VIEW_INIT, WGPU_ZERO_(WGPUCompilationMessageType), 0, 0, 0, 0 \
    })

typedef struct WGPUCompilationInfo {
    WGPUChainedStruct *nextInChain;
    size_t messageCount;
    const WGPUCompilationMessage *messages;
} WGPUCompilationInfo;
#define WGPU_COMPILATION_INFO_INIT WGPU_INIT_(WGPUCompilationInfo, {NULL, 0, NULL})

typedef struct WGPUPassTimestampWrites {
    WGPUChainedStruct *nextInChain;
    WGPUQuerySet querySet;
    uint32_t beginningOfPassWriteIndex;
    uint32_t endOfPassWriteIndex;
} WGPUPassTimestampWrites;
#define WGPU_PASS_TIMESTAMP_WRITES_INIT \
    WGPU_INIT_(WGPUPassTimestampWrites, { \
        NULL, NULL, WGPU_QUERY_SET_INDEX_UNDEFINED, WGPU_QUERY_SET_INDEX_UNDEFINED \
    })

typedef struct WGPUComputePassDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    const WGPUPassTimestampWrites *timestampWrites;
} WGPUComputePassDescriptor;
#define WGPU_COMPUTE_PASS_DESCRIPTOR_INIT WGPU_INIT_(WGPUComputePassDescriptor, {NULL, WGPU_STRING_VIEW_INIT, NULL})

typedef struct WGPUConstantEntry {
    WGPUChainedStruct *nextInChain;
    WGPUStringView key;
    double value;
} WGPUConstantEntry;
#define WGPU_CONSTANT_ENTRY_INIT WGPU_INIT_(WGPUConstantEntry, {NULL, WGPU_STRING_VIEW_INIT, 0.})

typedef struct WGPUComputeState {
    WGPUChainedStruct *nextInChain;
    WGPUShaderModule module;
    WGPUStringView entryPoint;
    size_t constantCount;
    const WGPUConstantEntry *constants;
} WGPUComputeState;
#define WGPU_COMPUTE_STATE_INIT WGPU_INIT_(WGPUComputeState, {NULL, NULL, WGPU_STRING_VIEW_INIT, 0, NULL})

typedef struct WGPUComputePipelineDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    WGPUPipelineLayout layout;
    WGPUComputeState compute;
} WGPUComputePipelineDescriptor;
#define WGPU_COMPUTE_PIPELINE_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUComputePipelineDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, NULL, WGPU_COMPUTE_STATE_INIT \
    })

typedef struct WGPULimits {
    WGPUChainedStruct *nextInChain;
    uint32_t maxTextureDimension1D;
    uint32_t maxTextureDimension2D;
    uint32_t maxTextureDimension3D;
    uint32_t maxTextureArrayLayers;
    uint32_t maxBindGroups;
    uint32_t maxBindGroupsPlusVertexBuffers;
    uint32_t maxBindingsPerBindGroup;
    uint32_t maxDynamicUniformBuffersPerPipelineLayout;
    uint32_t maxDynamicStorageBuffersPerPipelineLayout;
    uint32_t maxSampledTexturesPerShaderStage;
    uint32_t maxSamplersPerShaderStage;
    uint32_t maxStorageBuffersPerShaderStage;
    uint32_t maxStorageTexturesPerShaderStage;
    uint32_t maxUniformBuffersPerShaderStage;
    uint64_t maxUniformBufferBindingSize;
    uint64_t maxStorageBufferBindingSize;
    uint32_t minUniformBufferOffsetAlignment;
    uint32_t minStorageBufferOffsetAlignment;
    uint32_t maxVertexBuffers;
    uint64_t maxBufferSize;
    uint32_t maxVertexAttributes;
    uint32_t maxVertexBufferArrayStride;
    uint32_t maxInterStageShaderVariables;
    uint32_t maxColorAttachments;
    uint32_t maxColorAttachmentBytesPerSample;
    uint32_t maxComputeWorkgroupStorageSize;
    uint32_t maxComputeInvocationsPerWorkgroup;
    uint32_t maxComputeWorkgroupSizeX;
    uint32_t maxComputeWorkgroupSizeY;
    uint32_t maxComputeWorkgroupSizeZ;
    uint32_t maxComputeWorkgroupsPerDimension;
    uint32_t maxImmediateSize;
} WGPULimits;
#define WGPU_LIMITS_INIT \
    WGPU_INIT_(WGPULimits, { \
        NULL, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, \
        WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, \
        WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, \
        WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U64_UNDEFINED, WGPU_LIMIT_U64_UNDEFINED, \
        WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U64_UNDEFINED, \
        WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, \
        WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, \
        WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED, WGPU_LIMIT_U32_UNDEFINED \
    })

typedef struct WGPUQueueDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
} WGPUQueueDescriptor;
#define WGPU_QUEUE_DESCRIPTOR_INIT WGPU_INIT_(WGPUQueueDescriptor, {NULL, WGPU_STRING_VIEW_INIT})

typedef struct WGPUDeviceDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    size_t requiredFeatureCount;
    const WGPUFeatureName *requiredFeatures;
    const WGPULimits *requiredLimits;
    WGPUQueueDescriptor defaultQueue;
    WGPUDeviceLostCallbackInfo deviceLostCallbackInfo;
    WGPUUncapturedErrorCallbackInfo uncapturedErrorCallbackInfo;
} WGPUDeviceDescriptor;
#define WGPU_DEVICE_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUDeviceDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, 0, NULL, NULL, WGPU_QUEUE_DESCRIPTOR_INIT, WGPU_DEVICE_LOST_CALLBACK_INFO_INIT, \
        WGPU_UNCAPTURED_ERROR_CALLBACK_INFO_INIT \
    })

typedef struct WGPUExtent3D {
    uint32_t width;
    uint32_t height;
    uint32_t depthOrArrayLayers;
} WGPUExtent3D;
#define WGPU_EXTENT_3D_INIT WGPU_INIT_(WGPUExtent3D, {0, 1, 1})

typedef struct WGPUFutureWaitInfo {
    WGPUFuture future;
    WGPUBool completed;
} WGPUFutureWaitInfo;
#define WGPU_FUTURE_WAIT_INFO_INIT WGPU_INIT_(WGPUFutureWaitInfo, {WGPU_FUTURE_INIT, WGPU_FALSE})

typedef struct WGPUInstanceLimits {
    WGPUChainedStruct *nextInChain;
    size_t timedWaitAnyMaxCount;
} WGPUInstanceLimits;
#define WGPU_INSTANCE_LIMITS_INIT WGPU_INIT_(WGPUInstanceLimits, {NULL, 0})

typedef struct WGPUInstanceDescriptor {
    WGPUChainedStruct *nextInChain;
    size_t requiredFeatureCount;
    const WGPUInstanceFeatureName *requiredFeatures;
    const WGPUInstanceLimits *requiredLimits;
} WGPUInstanceDescriptor;
#define WGPU_INSTANCE_DESCRIPTOR_INIT WGPU_INIT_(WGPUInstanceDescriptor, {NULL, 0, NULL, NULL})

typedef struct WGPUOrigin3D {
    uint32_t x;
    uint32_t y;
    uint32_t z;
} WGPUOrigin3D;
#define WGPU_ORIGIN_3D_INIT WGPU_INIT_(WGPUOrigin3D, {0, 0, 0})

typedef struct WGPUPipelineLayoutDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    size_t bindGroupLayoutCount;
    const WGPUBindGroupLayout *bindGroupLayouts;
    uint32_t immediateSize;
} WGPUPipelineLayoutDescriptor;
#define WGPU_PIPELINE_LAYOUT_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUPipelineLayoutDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, 0, NULL, 0 \
    })

typedef struct WGPUQuerySetDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    WGPUQueryType type;
    uint32_t count;
} WGPUQuerySetDescriptor;
#define WGPU_QUERY_SET_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUQuerySetDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, WGPU_ZERO_(WGPUQueryType), 0 \
    })

typedef struct WGPURequestAdapterOptions {
    WGPUChainedStruct *nextInChain;
    WGPUFeatureLevel featureLevel;
    WGPUPowerPreference powerPreference;
    WGPUBool forceFallbackAdapter;
    WGPUBackendType backendType;
    WGPUSurface compatibleSurface;
} WGPURequestAdapterOptions;
#define WGPU_REQUEST_ADAPTER_OPTIONS_INIT \
    WGPU_INIT_(WGPURequestAdapterOptions, { \
        NULL, WGPUFeatureLevel_Undefined, WGPUPowerPreference_Undefined, WGPU_FALSE, WGPUBackendType_Undefined, NULL \
    })

typedef struct WGPUShaderModuleDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
} WGPUShaderModuleDescriptor;
#define WGPU_SHADER_MODULE_DESCRIPTOR_INIT WGPU_INIT_(WGPUShaderModuleDescriptor, {NULL, WGPU_STRING_VIEW_INIT})

typedef struct WGPUShaderSourceSPIRV {
    WGPUChainedStruct chain;
    uint32_t codeSize;
    const uint32_t *code;
} WGPUShaderSourceSPIRV;
#define WGPU_SHADER_SOURCE_SPIRV_INIT \
    WGPU_INIT_(WGPUShaderSourceSPIRV, { \
        {NULL, WGPUSType_ShaderSourceSPIRV}, 0, NULL \
    })

typedef struct WGPUShaderSourceWGSL {
    WGPUChainedStruct chain;
    WGPUStringView code;
} WGPUShaderSourceWGSL;
#define WGPU_SHADER_SOURCE_WGSL_INIT \
    WGPU_INIT_(WGPUShaderSourceWGSL, { \
        {NULL, WGPUSType_ShaderSourceWGSL}, WGPU_STRING_VIEW_INIT \
    })

typedef struct WGPUSupportedFeatures {
    size_t featureCount;
    const WGPUFeatureName *features;
} WGPUSupportedFeatures;
#define WGPU_SUPPORTED_FEATURES_INIT WGPU_INIT_(WGPUSupportedFeatures, {0, NULL})

typedef struct WGPUSupportedInstanceFeatures {
    size_t featureCount;
    const WGPUInstanceFeatureName *features;
} WGPUSupportedInstanceFeatures;
#define WGPU_SUPPORTED_INSTANCE_FEATURES_INIT WGPU_INIT_(WGPUSupportedInstanceFeatures, {0, NULL})

typedef struct WGPUSupportedWGSLLanguageFeatures {
    size_t featureCount;
    const WGPUWGSLLanguageFeatureName *features;
} WGPUSupportedWGSLLanguageFeatures;
#define WGPU_SUPPORTED_WGSL_LANGUAGE_FEATURES_INIT WGPU_INIT_(WGPUSupportedWGSLLanguageFeatures, {0, NULL})

typedef struct WGPUTexelCopyBufferLayout {
    uint64_t offset;
    uint32_t bytesPerRow;
    uint32_t rowsPerImage;
} WGPUTexelCopyBufferLayout;
#define WGPU_TEXEL_COPY_BUFFER_LAYOUT_INIT \
    WGPU_INIT_(WGPUTexelCopyBufferLayout, { \
        0, WGPU_COPY_STRIDE_UNDEFINED, WGPU_COPY_STRIDE_UNDEFINED \
    })

typedef struct WGPUTexelCopyBufferInfo {
    WGPUTexelCopyBufferLayout layout;
    WGPUBuffer buffer;
} WGPUTexelCopyBufferInfo;
#define WGPU_TEXEL_COPY_BUFFER_INFO_INIT \
    WGPU_INIT_(WGPUTexelCopyBufferInfo, { \
        WGPU_TEXEL_COPY_BUFFER_LAYOUT_INIT, NULL \
    })

typedef struct WGPUTexelCopyTextureInfo {
    WGPUTexture texture;
    uint32_t mipLevel;
    WGPUOrigin3D origin;
    WGPUTextureAspect aspect;
} WGPUTexelCopyTextureInfo;
#define WGPU_TEXEL_COPY_TEXTURE_INFO_INIT \
    WGPU_INIT_(WGPUTexelCopyTextureInfo, { \
        NULL, 0, WGPU_ORIGIN_3D_INIT, WGPUTextureAspect_Undefined \
    })

typedef struct WGPUTextureBindingViewDimension {
    WGPUChainedStruct chain;
    WGPUTextureViewDimension textureBindingViewDimension;
} WGPUTextureBindingViewDimension;
#define WGPU_TEXTURE_BINDING_VIEW_DIMENSION_INIT \
    WGPU_INIT_(WGPUTextureBindingViewDimension, { \
        {NULL, WGPUSType_TextureBindingViewDimension}, WGPUTextureViewDimension_Undefined \
    })

typedef struct WGPUTextureDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    WGPUTextureUsage usage;
    WGPUTextureDimension dimension;
    WGPUExtent3D size;
    WGPUTextureFormat format;
    uint32_t mipLevelCount;
    uint32_t sampleCount;
    size_t viewFormatCount;
    const WGPUTextureFormat *viewFormats;
} WGPUTextureDescriptor;
#define WGPU_TEXTURE_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUTextureDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, WGPUTextureUsage_None, WGPUTextureDimension_Undefined, WGPU_EXTENT_3D_INIT, \
        WGPUTextureFormat_Undefined, 1, 1, 0, NULL \
    })

typedef struct WGPUTextureViewDescriptor {
    WGPUChainedStruct *nextInChain;
    WGPUStringView label;
    WGPUTextureFormat format;
    WGPUTextureViewDimension dimension;
    uint32_t baseMipLevel;
    uint32_t mipLevelCount;
    uint32_t baseArrayLayer;
    uint32_t arrayLayerCount;
    WGPUTextureAspect aspect;
    WGPUTextureUsage usage;
} WGPUTextureViewDescriptor;
#define WGPU_TEXTURE_VIEW_DESCRIPTOR_INIT \
    WGPU_INIT_(WGPUTextureViewDescriptor, { \
        NULL, WGPU_STRING_VIEW_INIT, WGPUTextureFormat_Undefined, WGPUTextureViewDimension_Undefined, 0, \
        WGPU_MIP_LEVEL_COUNT_UNDEFINED, 0, WGPU_ARRAY_LAYER_COUNT_UNDEFINED, WGPUTextureAspect_Undefined, \
        WGPUTextureUsage_None \
    })

// Functions.

WGPUInstance wgpuCreateInstance(const WGPUInstanceDescriptor *descriptor);
void wgpuGetInstanceFeatures(WGPUSupportedInstanceFeatures *features);
WGPUStatus wgpuGetInstanceLimits(WGPUInstanceLimits *limits);
WGPUBool wgpuHasInstanceFeature(WGPUInstanceFeatureName feature);

void wgpuInstanceGetWGSLLanguageFeatures(WGPUInstance instance, WGPUSupportedWGSLLanguageFeatures *features);
WGPUBool wgpuInstanceHasWGSLLanguageFeature(WGPUInstance instance, WGPUWGSLLanguageFeatureName feature);
void wgpuInstanceProcessEvents(WGPUInstance instance);
WGPUFuture wgpuInstanceRequestAdapter(WGPUInstance instance, const WGPURequestAdapterOptions *options,
    WGPURequestAdapterCallbackInfo callbackInfo);
WGPUWaitStatus wgpuInstanceWaitAny(WGPUInstance instance, size_t futureCount, WGPUFutureWaitInfo *futures,
    uint64_t timeoutNS);
void wgpuInstanceAddRef(WGPUInstance instance);
void wgpuInstanceRelease(WGPUInstance instance);

void wgpuAdapterGetFeatures(WGPUAdapter adapter, WGPUSupportedFeatures *features);
WGPUStatus wgpuAdapterGetInfo(WGPUAdapter adapter, WGPUAdapterInfo *info);
WGPUStatus wgpuAdapterGetLimits(WGPUAdapter adapter, WGPULimits *limits);
WGPUBool wgpuAdapterHasFeature(WGPUAdapter adapter, WGPUFeatureName feature);
WGPUFuture wgpuAdapterRequestDevice(WGPUAdapter adapter, const WGPUDeviceDescriptor *descriptor,
    WGPURequestDeviceCallbackInfo callbackInfo);
void wgpuAdapterAddRef(WGPUAdapter adapter);
void wgpuAdapterRelease(WGPUAdapter adapter);

WGPUBindGroup wgpuDeviceCreateBindGroup(WGPUDevice device, const WGPUBindGroupDescriptor *descriptor);
WGPUBindGroupLayout wgpuDeviceCreateBindGroupLayout(WGPUDevice device,
    const WGPUBindGroupLayoutDescriptor *descriptor);
WGPUBuffer wgpuDeviceCreateBuffer(WGPUDevice device, const WGPUBufferDescriptor *descriptor);
WGPUCommandEncoder wgpuDeviceCreateCommandEncoder(WGPUDevice device, const WGPUCommandEncoderDescriptor *descriptor);
WGPUComputePipeline wgpuDeviceCreateComputePipeline(WGPUDevice device,
    const WGPUComputePipelineDescriptor *descriptor);
WGPUFuture wgpuDeviceCreateComputePipelineAsync(WGPUDevice device, const WGPUComputePipelineDescriptor *descriptor,
    WGPUCreateComputePipelineAsyncCallbackInfo callbackInfo);
WGPUPipelineLayout wgpuDeviceCreatePipelineLayout(WGPUDevice device, const WGPUPipelineLayoutDescriptor *descriptor);
WGPUQuerySet wgpuDeviceCreateQuerySet(WGPUDevice device, const WGPUQuerySetDescriptor *descriptor);
WGPUShaderModule wgpuDeviceCreateShaderModule(WGPUDevice device, const WGPUShaderModuleDescriptor *descriptor);
WGPUTexture wgpuDeviceCreateTexture(WGPUDevice device, const WGPUTextureDescriptor *descriptor);
void wgpuDeviceDestroy(WGPUDevice device);
WGPUStatus wgpuDeviceGetAdapterInfo(WGPUDevice device, WGPUAdapterInfo *adapterInfo);
void wgpuDeviceGetFeatures(WGPUDevice device, WGPUSupportedFeatures *features);
WGPUStatus wgpuDeviceGetLimits(WGPUDevice device, WGPULimits *limits);
WGPUFuture wgpuDeviceGetLostFuture(WGPUDevice device);
WGPUQueue wgpuDeviceGetQueue(WGPUDevice device);
WGPUBool wgpuDeviceHasFeature(WGPUDevice device, WGPUFeatureName feature);
WGPUFuture wgpuDevicePopErrorScope(WGPUDevice device, WGPUPopErrorScopeCallbackInfo callbackInfo);
void wgpuDevicePushErrorScope(WGPUDevice device, WGPUErrorFilter filter);
void wgpuDeviceAddRef(WGPUDevice device);
void wgpuDeviceRelease(WGPUDevice device);

WGPUFuture wgpuQueueOnSubmittedWorkDone(WGPUQueue queue, WGPUQueueWorkDoneCallbackInfo callbackInfo);
void wgpuQueueSubmit(WGPUQueue queue, size_t commandCount, const WGPUCommandBuffer *commands);
void wgpuQueueWriteBuffer(WGPUQueue queue, WGPUBuffer buffer, uint64_t bufferOffset, const void *data, size_t size);
void wgpuQueueWriteTexture(WGPUQueue queue, const WGPUTexelCopyTextureInfo *destination, const void *data,
    size_t dataSize, const WGPUTexelCopyBufferLayout *dataLayout, const WGPUExtent3D *writeSize);
void wgpuQueueAddRef(WGPUQueue queue);
void wgpuQueueRelease(WGPUQueue queue);

void wgpuBufferDestroy(WGPUBuffer buffer);
const void *wgpuBufferGetConstMappedRange(WGPUBuffer buffer, size_t offset, size_t size);
void *wgpuBufferGetMappedRange(WGPUBuffer buffer, size_t offset, size_t size);
WGPUBufferMapState wgpuBufferGetMapState(WGPUBuffer buffer);
uint64_t wgpuBufferGetSize(WGPUBuffer buffer);
WGPUBufferUsage wgpuBufferGetUsage(WGPUBuffer buffer);
WGPUFuture wgpuBufferMapAsync(WGPUBuffer buffer, WGPUMapMode mode, size_t offset, size_t size,
    WGPUBufferMapCallbackInfo callbackInfo);
WGPUStatus wgpuBufferReadMappedRange(WGPUBuffer buffer, size_t offset, void *data, size_t size);
void wgpuBufferUnmap(WGPUBuffer buffer);
WGPUStatus wgpuBufferWriteMappedRange(WGPUBuffer buffer, size_t offset, const void *data, size_t size);
void wgpuBufferAddRef(WGPUBuffer buffer);
void wgpuBufferRelease(WGPUBuffer buffer);

WGPUTextureView wgpuTextureCreateView(WGPUTexture texture, const WGPUTextureViewDescriptor *descriptor);
void wgpuTextureDestroy(WGPUTexture texture);
uint32_t wgpuTextureGetDepthOrArrayLayers(WGPUTexture texture);
WGPUTextureDimension wgpuTextureGetDimension(WGPUTexture texture);
WGPUTextureFormat wgpuTextureGetFormat(WGPUTexture texture);
uint32_t wgpuTextureGetHeight(WGPUTexture texture);
uint32_t wgpuTextureGetMipLevelCount(WGPUTexture texture);
uint32_t wgpuTextureGetSampleCount(WGPUTexture texture);
WGPUTextureViewDimension wgpuTextureGetTextureBindingViewDimension(WGPUTexture texture);
WGPUTextureUsage wgpuTextureGetUsage(WGPUTexture texture);
uint32_t wgpuTextureGetWidth(WGPUTexture texture);
void wgpuTextureAddRef(WGPUTexture texture);
void wgpuTextureRelease(WGPUTexture texture);

void wgpuTextureViewAddRef(WGPUTextureView textureView);
void wgpuTextureViewRelease(WGPUTextureView textureView);

void wgpuQuerySetDestroy(WGPUQuerySet querySet);
uint32_t wgpuQuerySetGetCount(WGPUQuerySet querySet);
WGPUQueryType wgpuQuerySetGetType(WGPUQuerySet querySet);
void wgpuQuerySetAddRef(WGPUQuerySet querySet);
void wgpuQuerySetRelease(WGPUQuerySet querySet);

WGPUFuture wgpuShaderModuleGetCompilationInfo(WGPUShaderModule shaderModule,
    WGPUCompilationInfoCallbackInfo callbackInfo);
void wgpuShaderModuleAddRef(WGPUShaderModule shaderModule);
void wgpuShaderModuleRelease(WGPUShaderModule shaderModule);

void wgpuBindGroupLayoutAddRef(WGPUBindGroupLayout bindGroupLayout);
void wgpuBindGroupLayoutRelease(WGPUBindGroupLayout bindGroupLayout);

void wgpuBindGroupAddRef(WGPUBindGroup bindGroup);
void wgpuBindGroupRelease(WGPUBindGroup bindGroup);

void wgpuPipelineLayoutAddRef(WGPUPipelineLayout pipelineLayout);
void wgpuPipelineLayoutRelease(WGPUPipelineLayout pipelineLayout);

WGPUBindGroupLayout wgpuComputePipelineGetBindGroupLayout(WGPUComputePipeline computePipeline, uint32_t groupIndex);
void wgpuComputePipelineAddRef(WGPUComputePipeline computePipeline);
void wgpuComputePipelineRelease(WGPUComputePipeline computePipeline);

WGPUComputePassEncoder wgpuCommandEncoderBeginComputePass(WGPUCommandEncoder commandEncoder,
    const WGPUComputePassDescriptor *descriptor);
void wgpuCommandEncoderClearBuffer(WGPUCommandEncoder commandEncoder, WGPUBuffer buffer, uint64_t offset,
    uint64_t size);
void wgpuCommandEncoderCopyBufferToBuffer(WGPUCommandEncoder commandEncoder, WGPUBuffer source,
    uint64_t sourceOffset, WGPUBuffer destination, uint64_t destinationOffset, uint64_t size);
void wgpuCommandEncoderCopyBufferToTexture(WGPUCommandEncoder commandEncoder, const WGPUTexelCopyBufferInfo *source,
    const WGPUTexelCopyTextureInfo *destination, const WGPUExtent3D *copySize);
void wgpuCommandEncoderCopyTextureToBuffer(WGPUCommandEncoder commandEncoder, const WGPUTexelCopyTextureInfo *source,
    const WGPUTexelCopyBufferInfo *destination, const WGPUExtent3D *copySize);
void wgpuCommandEncoderCopyTextureToTexture(WGPUCommandEncoder commandEncoder, const WGPUTexelCopyTextureInfo *source,
    const WGPUTexelCopyTextureInfo *destination, const WGPUExtent3D *copySize);
WGPUCommandBuffer wgpuCommandEncoderFinish(WGPUCommandEncoder commandEncoder,
    const WGPUCommandBufferDescriptor *descriptor);
void wgpuCommandEncoderInsertDebugMarker(WGPUCommandEncoder commandEncoder, WGPUStringView markerLabel);
void wgpuCommandEncoderPopDebugGroup(WGPUCommandEncoder commandEncoder);
void wgpuCommandEncoderPushDebugGroup(WGPUCommandEncoder commandEncoder, WGPUStringView groupLabel);
void wgpuCommandEncoderResolveQuerySet(WGPUCommandEncoder commandEncoder, WGPUQuerySet querySet, uint32_t firstQuery,
    uint32_t queryCount, WGPUBuffer destination, uint64_t destinationOffset);
void wgpuCommandEncoderWriteTimestamp(WGPUCommandEncoder commandEncoder, WGPUQuerySet querySet, uint32_t queryIndex);
void wgpuCommandEncoderAddRef(WGPUCommandEncoder commandEncoder);
void wgpuCommandEncoderRelease(WGPUCommandEncoder commandEncoder);

void wgpuComputePassEncoderDispatchWorkgroups(WGPUComputePassEncoder computePassEncoder, uint32_t workgroupCountX,
    uint32_t workgroupCountY, uint32_t workgroupCountZ);
void wgpuComputePassEncoderDispatchWorkgroupsIndirect(WGPUComputePassEncoder computePassEncoder,
    WGPUBuffer indirectBuffer, uint64_t indirectOffset);
void wgpuComputePassEncoderEnd(WGPUComputePassEncoder computePassEncoder);
void wgpuComputePassEncoderInsertDebugMarker(WGPUComputePassEncoder computePassEncoder, WGPUStringView markerLabel);
void wgpuComputePassEncoderPopDebugGroup(WGPUComputePassEncoder computePassEncoder);
void wgpuComputePassEncoderPushDebugGroup(WGPUComputePassEncoder computePassEncoder, WGPUStringView groupLabel);
void wgpuComputePassEncoderSetBindGroup(WGPUComputePassEncoder computePassEncoder, uint32_t groupIndex,
    WGPUBindGroup group, size_t dynamicOffsetCount, const uint32_t *dynamicOffsets);
void wgpuComputePassEncoderSetImmediates(WGPUComputePassEncoder computePassEncoder, uint32_t offset,
    const void *data, size_t size);
void wgpuComputePassEncoderSetPipeline(WGPUComputePassEncoder computePassEncoder, WGPUComputePipeline pipeline);
void wgpuComputePassEncoderAddRef(WGPUComputePassEncoder computePassEncoder);
void wgpuComputePassEncoderRelease(WGPUComputePassEncoder computePassEncoder);

void wgpuCommandBufferAddRef(WGPUCommandBuffer commandBuffer);
void wgpuCommandBufferRelease(WGPUCommandBuffer commandBuffer);

void wgpuAdapterInfoFreeMembers(WGPUAdapterInfo adapterInfo);
void wgpuSupportedFeaturesFreeMembers(WGPUSupportedFeatures supportedFeatures);
void wgpuSupportedInstanceFeaturesFreeMembers(WGPUSupportedInstanceFeatures supportedInstanceFeatures);
void wgpuSupportedWGSLLanguageFeaturesFreeMembers(WGPUSupportedWGSLLanguageFeatures supportedWGSLLanguageFeatures);

#ifdef __cplusplus
}
#endif

#endif
