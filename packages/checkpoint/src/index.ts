/** Reads and writes checkpoints: safetensors, PyTorch .bin, GGUF, GPTQ, AWQ and NF4 packing, streaming and by range. */
export {}
