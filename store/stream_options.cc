#include "batonstore/store/stream_options.h"

#include <limits>

namespace batonstore {
namespace {

template <typename T>
void SetDefault(T& value, T standard) {
  if (value <= T{}) value = standard;
}

}  // namespace

StreamOptions StreamOptions::WithDefaults() const {
  StreamOptions options = *this;
  SetDefault(options.idle_timeout, absl::Seconds(60));
  SetDefault(options.max_age, absl::Minutes(5));
  SetDefault(options.max_per_database, int64_t{64});
  SetDefault(options.rollback_timeout, absl::Seconds(5));
  SetDefault(options.reap_every, absl::Seconds(1));
  SetDefault(options.max_sql_texts, int64_t{256});
  SetDefault(options.max_sql_bytes, int64_t{1} << 20);
  SetDefault(options.max_batons, std::numeric_limits<uint64_t>::max());
  return options;
}

}  // namespace batonstore
