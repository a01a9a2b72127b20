"""The model server: scikit-learn behind the Open Inference Protocol V2, with a bounded queue and micro-batches."""
