// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

namespace headrace::cli {
namespace {

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string name) const override {
    std::string usage = fmt::format("Usage: {} [OPTIONS]", name);
    for (const CLI::Option* option : app->get_options()) {
      if (option->get_positional()) {
        const std::string positional = option->get_name(true, false);
        usage += option->get_expected_max() > 1 ? " [" + positional + "...]" : " " + positional;
      }
    }
    return usage + (app->get_subcommands({}).empty() ? "\n" : " COMMAND [...]\n");
  }
};

}  // namespace

void set_usage(CLI::App& app) {
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->column_width(26);
  app.formatter(std::move(formatter));
}

std::string help_of(const CLI::App& app) {
  std::string help = app.help();
  for (std::size_t at = 0; (at = help.find("\n\n\n", at)) != std::string::npos;) {
    help.erase(at, 1);
  }
  help.erase(help.find_last_not_of('\n') + 1);
  return help + "\n";
}

}  // namespace headrace::cli
