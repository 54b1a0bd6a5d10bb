// Misuse that C alone would make undefined behaviour. Each ends the program with a message; the argument says which.
#include "textures.h"

int main(int count, char **arguments) {
    Gpu gpu = connect_gpu();
    const char *which = count > 1 ? arguments[1] : "";
    WGPUBuffer buffer = make_buffer(&gpu, STORAGE, 16);
    WGPUCommandEncoder encoder = wgpuDeviceCreateCommandEncoder(gpu.device, NULL);
    WGPUComputePassEncoder pass = wgpuCommandEncoderBeginComputePass(encoder, NULL);
    if (!strcmp(which, "null")) {
        wgpuBufferUnmap(NULL);
    } else if (!strcmp(which, "released")) {
        wgpuBufferRelease(buffer);
        wgpuBufferDestroy(buffer);
    } else if (!strcmp(which, "released-but-used-inside")) {
        wgpuComputePassEncoderDispatchWorkgroupsIndirect(pass, buffer, 0);
        wgpuBufferRelease(buffer);
        wgpuBufferGetSize(buffer);
    } else if (!strcmp(which, "released-twice")) {
        wgpuQueueRelease(gpu.queue);
        wgpuQueueRelease(gpu.queue);
    } else if (!strcmp(which, "kind")) {
        wgpuBufferDestroy((WGPUBuffer)gpu.queue);
    } else if (!strcmp(which, "no-handle")) {
        wgpuBufferDestroy((WGPUBuffer)(uintptr_t)&gpu);
    } else if (!strcmp(which, "descriptor")) {
        wgpuDeviceCreateBuffer(gpu.device, NULL);
    } else if (!strcmp(which, "list")) {
        wgpuQueueSubmit(gpu.queue, 3, NULL);
    } else if (!strcmp(which, "text")) {
        wgpuComputePassEncoderInsertDebugMarker(pass, (WGPUStringView){NULL, 5});
    } else if (!strcmp(which, "data")) {
        wgpuQueueWriteBuffer(gpu.queue, buffer, 0, NULL, 4);
    } else if (!strcmp(which, "mode")) {
        WGPUQueueWorkDoneCallbackInfo info = WGPU_QUEUE_WORK_DONE_CALLBACK_INFO_INIT;
        wgpuQueueOnSubmittedWorkDone(gpu.queue, info);
    } else if (!strcmp(which, "filter")) {
        wgpuDevicePushErrorScope(gpu.device, 0);
    } else if (!strcmp(which, "scopes")) {
        for (;;) {
            push_scope(&gpu);
        }
    } else if (!strcmp(which, "texture")) {
        wgpuDeviceCreateTexture(gpu.device, NULL);
    } else if (!strcmp(which, "view-formats")) {
        WGPUTextureDescriptor wanted = WGPU_TEXTURE_DESCRIPTOR_INIT;
        wanted.viewFormatCount = 2;
        wgpuDeviceCreateTexture(gpu.device, &wanted);
    } else if (!strcmp(which, "released-texture")) {
        WGPUTexture texture = make_texture(&gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_1D, 1, 1, 1, 1);
        wgpuTextureRelease(texture);
        wgpuTextureGetWidth(texture);
    } else if (!strcmp(which, "view")) {
        WGPUTexture texture = make_texture(&gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_1D, 1, 1, 1, 1);
        wgpuTextureViewRelease((WGPUTextureView)texture);
    } else if (!strncmp(which, "texels", 6)) {
        WGPUTexture texture = make_texture(&gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_1D, 1, 1, 1, 1);
        WGPUTexelCopyTextureInfo into = {which[6] == '0' ? NULL : texture, 0, {0, 0, 0}, WGPUTextureAspect_All};
        WGPUTexelCopyBufferLayout layout = WGPU_TEXEL_COPY_BUFFER_LAYOUT_INIT;
        WGPUExtent3D size = {1, 1, 1};
        wgpuQueueWriteTexture(gpu.queue, which[6] == '1' ? NULL : &into, NULL, 4, which[6] == '2' ? NULL : &layout,
            which[6] == '3' ? NULL : &size);
    } else if (!strcmp(which, "copy-size") || !strcmp(which, "copy-source")) {
        WGPUTexture texture = make_texture(&gpu, WGPUTextureFormat_R32Uint, WGPUTextureDimension_1D, 1, 1, 1, 1);
        WGPUTexelCopyTextureInfo place = {texture, 0, {0, 0, 0}, WGPUTextureAspect_All};
        wgpuCommandEncoderCopyTextureToTexture(encoder, strcmp(which, "copy-source") ? &place : NULL, &place, NULL);
    } else if (!strcmp(which, "queries")) {
        wgpuDeviceCreateQuerySet(gpu.device, NULL);
    } else if (!strcmp(which, "timestamps")) {
        WGPUPassTimestampWrites writes = WGPU_PASS_TIMESTAMP_WRITES_INIT;
        WGPUComputePassDescriptor wanted = {NULL, text("pass"), &writes};
        wgpuComputePassEncoderEnd(pass);
        wgpuCommandEncoderBeginComputePass(encoder, &wanted);
    } else if (!strcmp(which, "features")) {
        wgpuDeviceDestroy(gpu.device);
        connect_device_with(&gpu, 1, NULL);
    } else if (!strcmp(which, "uncaught")) {
        wgpuQueueRelease(gpu.queue);
        wgpuDeviceRelease(gpu.device);
        WGPUDevice device = NULL;
        WGPURequestDeviceCallbackInfo info = {NULL, WGPUCallbackMode_AllowSpontaneous, on_device, &device, NULL};
        wgpuAdapterRequestDevice(gpu.adapter, NULL, info);
        gpu.device = device;
        make_buffer(&gpu, 0, 4);
        wgpuInstanceProcessEvents(gpu.instance);
    }
    puts("still here");
    return 0;
}
