/** Everything around the forward pass of a causal language model: sampling, streaming, chat templates, scoring. */
export {}
