// SPDX-License-Identifier: Apache-2.0
// Trains a small network on handwritten digits that a loader delivers, shuffled anew every epoch.
//
//   train_digits data/digits
//
// Every fifth image is kept for the test. Prints the loss of every epoch and ends with the share of
// test images that are told right; exit code 1 when that is below 95 %.
#include "headrace/headrace.h"

#include <Eigen/Dense>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using Matrix = Eigen::MatrixXf;  // one column a sample

constexpr int kClasses = 10;
constexpr int kHidden = 64;
constexpr std::uint64_t kEpochs = 25;
constexpr std::uint64_t kSeed = 7;
constexpr float kRate = 0.1F;
constexpr float kMomentum = 0.9F;

/// Weights that a gradient with momentum moves.
struct Weights {
  Matrix value;
  Matrix velocity;

  Weights(int rows, int columns, std::mt19937_64& random)
      : value(rows, columns), velocity(Matrix::Zero(rows, columns)) {
    std::normal_distribution<float> normal(0, std::sqrt(2.0F / static_cast<float>(columns)));
    value = Matrix::NullaryExpr(rows, columns, [&] { return normal(random); });
  }
  void move(const Matrix& gradient) {
    velocity = kMomentum * velocity - kRate * gradient;
    value += velocity;
  }
};

/// One hidden layer of rectified units, and a softmax over the classes.
class Network {
 public:
  Network(int inputs, std::mt19937_64& random)
      : hidden_(kHidden, inputs, random),
        hidden_bias_(kHidden, 1, random),
        output_(kClasses, kHidden, random),
        output_bias_(kClasses, 1, random) {
    hidden_bias_.value.setZero();
    output_bias_.value.setZero();
  }

  /// The probability of each class.
  Matrix predict(const Matrix& input) {
    active_ = ((hidden_.value * input).colwise() + hidden_bias_.value.col(0)).cwiseMax(0);
    Matrix scores = (output_.value * active_).colwise() + output_bias_.value.col(0);
    scores.rowwise() -= scores.colwise().maxCoeff().eval();
    scores = scores.array().exp();
    return scores.array().rowwise() / scores.colwise().sum().array().eval();
  }

  /// Takes one step down the gradient. \returns The sum of the samples' losses before it.
  double train(const Matrix& input, const std::vector<std::uint8_t>& labels) {
    Matrix error = predict(input);
    double loss = 0;
    for (Eigen::Index i = 0; i < input.cols(); ++i) {
      loss -= std::log(error(labels[i], i));
      error(labels[i], i) -= 1;
    }
    error /= static_cast<float>(input.cols());
    const Matrix back =
        (output_.value.transpose() * error).array() * (active_.array() > 0).cast<float>();
    output_.move(error * active_.transpose());
    output_bias_.move(error.rowwise().sum());
    hidden_.move(back * input.transpose());
    hidden_bias_.move(back.rowwise().sum());
    return loss;
  }

 private:
  Weights hidden_;
  Weights hidden_bias_;
  Weights output_;
  Weights output_bias_;
  Matrix active_;
};

/// The inputs of a batch, one column a sample.
Matrix inputs_of(const headrace::GPUBatch& batch) {
  const std::vector<float> values = batch.input_tensor.to_vector<float>();
  const auto rows = static_cast<Eigen::Index>(batch.valid_count);
  return Eigen::Map<const Matrix>(values.data(), values.size() / rows, rows);
}

/// The labels of a batch. \throws  When one is no digit.
std::vector<std::uint8_t> labels_of(const headrace::GPUBatch& batch) {
  std::vector<std::uint8_t> labels = batch.label_tensor.to_vector<std::uint8_t>();
  for (std::size_t row = 0; row < labels.size(); ++row) {
    if (labels[row] >= kClasses) {
      throw std::runtime_error("sample " + std::to_string(batch.sample_ids()[row]) +
                               " has the label " + std::to_string(labels[row]) +
                               "; the highest is " + std::to_string(kClasses - 1));
    }
  }
  return labels;
}

headrace::AsyncDataLoaderConfig config(std::size_t batch_size) {
  headrace::AsyncDataLoaderConfig config;
  config.batch_size = batch_size;
  // Pixels are 0 to 16; as uint8 they count in units of 255. Shipped as bytes, they become float32
  // from about -1 to 1 on the device.
  config.output.dtype = headrace::DataType::float32;
  config.output.mean = {8.0 / 255};
  config.output.stddev = {8.0 / 255};
  return config;
}

void train(Network& network, const std::shared_ptr<headrace::SampleSource>& digits) {
  headrace::AsyncDataLoaderConfig training = config(32);
  training.epochs = kEpochs;
  training.shuffle = true;
  training.seed = kSeed;
  headrace::AsyncDataLoader loader(digits, training);
  double loss = 0;
  std::size_t seen = 0;
  for (const headrace::GPUBatch& batch : loader) {  // all epochs, one flowing into the next
    loss += network.train(inputs_of(batch), labels_of(batch));
    seen += static_cast<std::size_t>(batch.valid_count);
    if (seen == digits->size()) {
      std::printf("epoch %2d  loss %.4f\n", static_cast<int>(batch.epoch) + 1, loss / seen);
      loss = 0;
      seen = 0;
    }
  }
}

double test(Network& network, const std::shared_ptr<headrace::SampleSource>& digits) {
  headrace::AsyncDataLoader loader(digits, config(256));
  std::size_t right = 0;
  for (const headrace::GPUBatch& batch : loader) {
    const Matrix scores = network.predict(inputs_of(batch));
    const std::vector<std::uint8_t> labels = labels_of(batch);
    for (Eigen::Index i = 0; i < scores.cols(); ++i) {
      Eigen::Index guess = 0;
      scores.col(i).maxCoeff(&guess);
      right += guess == labels[i] ? 1 : 0;
    }
  }
  return static_cast<double>(right) / static_cast<double>(digits->size());
}

int run(const char* path) {
  headrace::initialize_global_memory_manager(headrace::open_device());
  const auto digits = headrace::open_source(path);
  std::vector<std::uint64_t> training;
  std::vector<std::uint64_t> held_back;
  for (std::uint64_t i = 0; i < digits->size(); ++i) {
    (i % 5 == 4 ? held_back : training).push_back(i);
  }
  std::mt19937_64 random(kSeed);
  Network network(static_cast<int>(digits->spec().input_shape.element_count()), random);
  train(network, headrace::subset(digits, training));
  const double accuracy = test(network, headrace::subset(digits, held_back));
  std::printf("test accuracy %.2f %% of %zu images\n", accuracy * 100, held_back.size());
  return accuracy >= 0.95 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: train_digits FOLDER\n");
    return 2;
  }
  try {
    return run(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "train_digits: %s\n", error.what());
    return 1;
  }
}
