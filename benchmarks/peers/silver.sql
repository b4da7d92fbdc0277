-- Rows of flights_ml from `messages` (value, partition, offset, kafka_timestamp): the rules of docs/silver.md over all messages at once.
CREATE TABLE flights_ml AS
WITH decoded AS (
  SELECT from_json(value, '{"icao24":"VARCHAR","callsign":"VARCHAR","origin_country":"VARCHAR","time_position":"BIGINT",
    "last_contact":"BIGINT","longitude":"DOUBLE","latitude":"DOUBLE","baro_altitude":"DOUBLE","on_ground":"BOOLEAN","velocity":"DOUBLE",
    "true_track":"DOUBLE","vertical_rate":"DOUBLE","geo_altitude":"DOUBLE","squawk":"VARCHAR","category":"INTEGER","time":"BIGINT"}') AS m,
    "partition", "offset", kafka_timestamp
  FROM messages
), valid AS (
  SELECT lower(m.icao24) AS icao24, m.last_contact AS heard, m.time AS answered, m.time_position AS positioned,
    nullif(trim(m.callsign, ' '), '') AS callsign, coalesce(m.origin_country, '') AS origin_country, m.longitude, m.latitude,
    m.velocity * 3.6 AS velocity_kmh, m.baro_altitude AS altitude_meters, m.geo_altitude AS geo_altitude_meters, m.vertical_rate,
    m.true_track, m.on_ground, m.squawk, m.category, "partition", "offset", kafka_timestamp,
    coalesce(m.squawk IN ('7500', '7600', '7700') AND NOT coalesce(m.on_ground, false), false) AS emergency
  FROM decoded
  WHERE regexp_full_match(m.icao24, '[0-9a-fA-F]{6}') AND m.last_contact <= m.time + 60
    AND coalesce(abs(m.latitude), 0) <= 90 AND coalesce(abs(m.longitude), 0) <= 180
), newer AS (
  SELECT *, max(heard) OVER (PARTITION BY icao24 ORDER BY "partition", "offset" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS latest
  FROM valid
), gaps AS (
  SELECT *, heard - lag(heard) OVER (PARTITION BY icao24 ORDER BY heard) > 15 * 60 AS silent FROM newer WHERE latest IS NULL OR heard > latest
), histories AS (
  SELECT *, count(CASE WHEN silent THEN 1 END) OVER (PARTITION BY icao24 ORDER BY heard) AS history FROM gaps
), lagged AS (
  SELECT *, lag(heard) OVER one AS previous, lag(altitude_meters) OVER one AS prev_altitude, lag(velocity_kmh) OVER one AS prev_velocity,
    coalesce(lag(emergency) OVER one, false) AS emergency_before, row_number() OVER one AS observation_rank,
    avg(altitude_meters) OVER six AS rolling_avg_altitude, stddev_samp(altitude_meters) OVER six AS rolling_std_altitude,
    avg(velocity_kmh) OVER six AS rolling_avg_velocity
  FROM histories
  WINDOW one AS (PARTITION BY icao24, history ORDER BY heard), six AS (PARTITION BY icao24, history ORDER BY heard ROWS 5 PRECEDING)
), rated AS (
  SELECT *, coalesce(vertical_rate, (altitude_meters - prev_altitude) / (heard - previous)) AS rate,
    list_filter([
      CASE WHEN altitude_meters > 13716 THEN 'altitude_high' END,
      CASE WHEN altitude_meters < -300 THEN 'altitude_low' END,
      CASE WHEN velocity_kmh > 1170 THEN 'speed_high' END,
      CASE WHEN abs(vertical_rate) > 30 THEN 'vertical_rate' END,
      CASE WHEN abs(geo_altitude_meters - altitude_meters) > 1000 THEN 'altitude_mismatch' END,
      CASE WHEN emergency AND emergency_before THEN 'emergency_squawk' END
    ], lambda reason: reason IS NOT NULL) AS anomalies
  FROM lagged
), phased AS (
  SELECT *, CASE
    WHEN on_ground THEN 'GROUND'
    WHEN rate > 50 / 15 AND altitude_meters < 3000 THEN 'TAKEOFF'
    WHEN rate > 20 / 15 THEN 'CLIMB'
    WHEN abs(rate) <= 20 / 15 AND altitude_meters > 8000 THEN 'CRUISE'
    WHEN rate < -20 / 15 THEN 'DESCENT'
    ELSE 'TRANSITION' END AS flight_phase
  FROM rated
)
SELECT make_timestamp(1000000 * heard) AS event_timestamp, icao24, callsign, origin_country, longitude, latitude, velocity_kmh, altitude_meters,
  geo_altitude_meters, vertical_rate, true_track, on_ground, squawk, category, make_timestamp(1000000 * positioned) AS position_timestamp,
  make_timestamp(1000000 * answered) AS snapshot_timestamp, kafka_timestamp AS ingest_timestamp, make_timestamp(1000000 * previous) AS previous_timestamp,
  prev_altitude, prev_velocity, altitude_meters - prev_altitude AS altitude_change, velocity_kmh - prev_velocity AS velocity_change,
  observation_rank, rolling_avg_altitude, rolling_std_altitude, rolling_avg_velocity, flight_phase,
  make_timestamp(1000000 * lag(heard) OVER (PARTITION BY icao24, history, flight_phase ORDER BY heard)) AS previous_phase_timestamp, anomalies,
  make_timestamp(1000000 * max(CASE WHEN len(anomalies) > 0 THEN heard END) OVER (PARTITION BY icao24, history ORDER BY heard
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) AS previous_anomaly_timestamp,
  CAST(make_timestamp(1000000 * heard) AS DATE) AS date
FROM phased;
