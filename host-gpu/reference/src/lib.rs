//! The reference GPU: exact shaders, compiled to WebAssembly with SIMD.
