"""Weight codecs: quantization, Deep Compression, bit fusion, HEVC and Arm Ethos-U streams."""
