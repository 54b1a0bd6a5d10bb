// Futures and their callbacks. What is asked for is done at once; only the moment of the callback is the program's.

#include "internal.h"
#include <stdlib.h>

// Most futures of a timed wait.
enum { TIMED_WAIT_MAX = 64 };

static Event *first_event;
static uint64_t last_future;

static void unlink_event(Event *event) {
    Event **place = &first_event;
    while (*place != event) {
        place = &(*place)->next;
    }
    *place = event->next;
}

static void call(Event *event) {
    AnyCallback any = event->callback;
    WGPUStringView text = text_of(event->message);
    void *data1 = event->userdata1, *data2 = event->userdata2;
    switch (event->kind) {
    case EVENT_ADAPTER:
        ((WGPURequestAdapterCallback)any)((WGPURequestAdapterStatus)event->status, object_handle(event->object),
            text, data1, data2);
        break;
    case EVENT_DEVICE:
        ((WGPURequestDeviceCallback)any)((WGPURequestDeviceStatus)event->status, object_handle(event->object), text,
            data1, data2);
        break;
    case EVENT_LOST: {
        WGPUDevice device = event->object && event->object->refs ? object_handle(event->object) : NULL;
        ((WGPUDeviceLostCallback)any)(&device, (WGPUDeviceLostReason)event->status, text, data1, data2);
        break;
    }
    case EVENT_MAP: ((WGPUBufferMapCallback)any)((WGPUMapAsyncStatus)event->status, text, data1, data2); break;
    case EVENT_WORK_DONE:
        ((WGPUQueueWorkDoneCallback)any)((WGPUQueueWorkDoneStatus)event->status, text, data1, data2);
        break;
    case EVENT_SCOPE:
        ((WGPUPopErrorScopeCallback)any)((WGPUPopErrorScopeStatus)event->status, event->error, text, data1, data2);
        break;
    case EVENT_PIPELINE:
        ((WGPUCreateComputePipelineAsyncCallback)any)((WGPUCreatePipelineAsyncStatus)event->status,
            object_handle(event->object), text, data1, data2);
        break;
    case EVENT_MESSAGES: {
        Shader *shader = (Shader *)event->object;
        WGPUCompilationInfo info = {NULL, shader->count, shader->messages};
        ((WGPUCompilationInfoCallback)any)((WGPUCompilationInfoRequestStatus)event->status, &info, data1, data2);
        break;
    }
    }
}

// Whether the callback gets a reference that it must release.
static bool gives_reference(const Event *event) {
    return event->kind == EVENT_ADAPTER || event->kind == EVENT_DEVICE || event->kind == EVENT_PIPELINE;
}

static void fire(Event *event) {
    unlink_event(event);
    if (event->kind == EVENT_MAP) {
        buffer_mapped(event);
    }
    if (event->callback) {
        call(event);
    }
    if (event->object) {
        if (gives_reference(event) && !event->callback) {
            object_release("callback", object_handle(event->object), event->object->kind);
        }
        object_drop(event->object);
    }
    object_drop(&event->instance->object);
    free(event->message);
    free(event);
}

static void cancel(Event *event) {
    // "CallbackCancelled" is 2 in every callback's statuses but the device's loss, where it is 3.
    event->status = event->kind == EVENT_LOST ? WGPUDeviceLostReason_CallbackCancelled : 2;
    event->error = WGPUErrorType_NoError;
    free(event->message);
    event->message = copy_text(text_of("the instance was released"));
    if (event->object && gives_reference(event)) {
        object_release("callback", object_handle(event->object), event->object->kind);
        object_drop(event->object);
        event->object = NULL;
    }
    fire(event);
}

Event *event_new(const char *function, EventKind kind, Instance *instance, WGPUCallbackMode mode,
    AnyCallback callback, void *userdata1, void *userdata2) {
    if (mode < WGPUCallbackMode_WaitAnyOnly || mode > WGPUCallbackMode_AllowSpontaneous) {
        fail("%s: the callback's mode %d is none", function, (int)mode);
    }
    Event *event = allocate(sizeof *event);
    *event = (Event){first_event, kind, ++last_future, instance, mode, false, callback, userdata1, userdata2, 0, NULL,
        WGPUErrorType_NoError, NULL};
    object_hold(&instance->object);
    first_event = event;
    return event;
}

WGPUFuture event_ready(Event *event, int status, const char *message) {
    WGPUFuture future = {event->future};
    event->ready = true;
    event->status = status;
    event->message = message ? copy_text(text_of(message)) : NULL;
    if (event->mode == WGPUCallbackMode_AllowSpontaneous) {
        fire(event);
    } else if (!event->instance->object.refs) {
        cancel(event);
    }
    return future;
}

void events_cancel(Instance *instance) {
    // Callbacks may add events, or take some away.
    for (Event *event = first_event; event;) {
        if (event->instance == instance && event->ready) {
            cancel(event);
            event = first_event;
        } else {
            event = event->next;
        }
    }
}

static Event *find(uint64_t future) {
    Event *event = first_event;
    while (event && event->future != future) {
        event = event->next;
    }
    return event;
}

WGPUWaitStatus wgpuInstanceWaitAny(WGPUInstance instance, size_t futureCount, WGPUFutureWaitInfo *futures,
    uint64_t timeoutNS) {
    const char *function = "wgpuInstanceWaitAny";
    Instance *here = GET(Instance, function, instance, INSTANCE);
    if (timeoutNS && !here->timed_waits) {
        note("%s: a timeout needs the instance feature TimedWaitAny", function);
        return WGPUWaitStatus_Error;
    }
    if (timeoutNS && futureCount > TIMED_WAIT_MAX) {
        note("%s: %zu futures are more than %d", function, futureCount, TIMED_WAIT_MAX);
        return WGPUWaitStatus_Error;
    }
    if (futureCount && !futures) {
        fail("%s: %zu futures are at NULL", function, futureCount);
    }
    for (size_t at = 0; at < futureCount; at++) {
        uint64_t id = futures[at].future.id;
        Event *event = find(id);
        if (id == 0 || id > last_future || (event && event->instance != here)) {
            note("%s: %llu is no future of this instance", function, (unsigned long long)id);
            return WGPUWaitStatus_Error;
        }
    }
    host_flush();
    bool any = futureCount == 0;
    for (size_t at = 0; at < futureCount; at++) {
        // One that is known no more was told before.
        Event *event = find(futures[at].future.id);
        futures[at].completed = !event || event->ready;
        any |= futures[at].completed;
        if (event && event->ready) {
            fire(event);
        }
    }
    // What is not complete now cannot become so while the program waits: time runs out at once.
    return any ? WGPUWaitStatus_Success : WGPUWaitStatus_TimedOut;
}

void wgpuInstanceProcessEvents(WGPUInstance instance) {
    Instance *here = GET(Instance, "wgpuInstanceProcessEvents", instance, INSTANCE);
    host_flush();
    // In the order in which they were asked for; not what the callbacks themselves ask for.
    uint64_t last = last_future;
    for (uint64_t told = 0;;) {
        Event *next = NULL;
        for (Event *event = first_event; event; event = event->next) {
            bool wanted = event->instance == here && event->ready && event->mode != WGPUCallbackMode_WaitAnyOnly;
            if (wanted && event->future > told && event->future <= last && (!next || event->future < next->future)) {
                next = event;
            }
        }
        if (!next) {
            return;
        }
        told = next->future;
        fire(next);
    }
}

// The instance.

static const WGPUInstanceFeatureName instance_features[] = {WGPUInstanceFeatureName_TimedWaitAny};

WGPUInstance wgpuCreateInstance(const WGPUInstanceDescriptor *descriptor) {
    const char *function = "wgpuCreateInstance";
    bool timed = false;
    if (descriptor) {
        if (descriptor->nextInChain) {
            note("%s: the descriptor's chain has a structure that is not known here", function);
            return NULL;
        }
        for (size_t at = 0; at < descriptor->requiredFeatureCount; at++) {
            if (!wgpuHasInstanceFeature(descriptor->requiredFeatures[at])) {
                note("%s: the feature %d is not offered", function, (int)descriptor->requiredFeatures[at]);
                return NULL;
            }
            timed = true;
        }
        if (descriptor->requiredLimits && descriptor->requiredLimits->timedWaitAnyMaxCount > TIMED_WAIT_MAX) {
            note("%s: timedWaitAnyMaxCount is at most %d", function, TIMED_WAIT_MAX);
            return NULL;
        }
    }
    Instance *instance = object_new(INSTANCE, NULL, sizeof *instance);
    instance->timed_waits = timed;
    return object_handle(&instance->object);
}

void wgpuGetInstanceFeatures(WGPUSupportedInstanceFeatures *features) {
    *features = (WGPUSupportedInstanceFeatures){1, instance_features};
}

WGPUStatus wgpuGetInstanceLimits(WGPUInstanceLimits *limits) {
    if (limits->nextInChain) {
        note("wgpuGetInstanceLimits: the chain has a structure that is not known here");
        return WGPUStatus_Error;
    }
    limits->timedWaitAnyMaxCount = TIMED_WAIT_MAX;
    return WGPUStatus_Success;
}

WGPUBool wgpuHasInstanceFeature(WGPUInstanceFeatureName feature) {
    return feature == WGPUInstanceFeatureName_TimedWaitAny;
}

static const WGPUWGSLLanguageFeatureName language_features[] = {
    WGPUWGSLLanguageFeatureName_ReadonlyAndReadwriteStorageTextures,
    WGPUWGSLLanguageFeatureName_Packed4x8IntegerDotProduct,
    WGPUWGSLLanguageFeatureName_PointerCompositeAccess,
};

enum { LANGUAGE_FEATURES = sizeof language_features / sizeof *language_features };

void wgpuInstanceGetWGSLLanguageFeatures(WGPUInstance instance, WGPUSupportedWGSLLanguageFeatures *features) {
    object_get("wgpuInstanceGetWGSLLanguageFeatures", instance, INSTANCE);
    *features = (WGPUSupportedWGSLLanguageFeatures){LANGUAGE_FEATURES, language_features};
}

WGPUBool wgpuInstanceHasWGSLLanguageFeature(WGPUInstance instance, WGPUWGSLLanguageFeatureName feature) {
    object_get("wgpuInstanceHasWGSLLanguageFeature", instance, INSTANCE);
    for (size_t at = 0; at < LANGUAGE_FEATURES; at++) {
        if (feature == language_features[at]) {
            return true;
        }
    }
    return false;
}

// The lists given out are constant: nothing of them is to be freed.
void wgpuSupportedInstanceFeaturesFreeMembers(WGPUSupportedInstanceFeatures supportedInstanceFeatures) {
    (void)supportedInstanceFeatures;
}

void wgpuSupportedWGSLLanguageFeaturesFreeMembers(WGPUSupportedWGSLLanguageFeatures supportedWGSLLanguageFeatures) {
    (void)supportedWGSLLanguageFeatures;
}

void wgpuInstanceAddRef(WGPUInstance instance) {
    object_add_ref("wgpuInstanceAddRef", instance, INSTANCE);
}

void wgpuInstanceRelease(WGPUInstance instance) {
    object_release("wgpuInstanceRelease", instance, INSTANCE);
}
