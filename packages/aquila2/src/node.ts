/** Aquila2, the bilingual language models of BAAI: configurations, forward pass, loading and saving. */
export {}
