-- Steepest moments of each aircraft
-- The three observations of each aircraft with the fastest change of altitude since the one before (LAG, at most 15 minutes), the moving mean of six altitudes (AVG), and their order (RANK).
WITH histories AS (
    SELECT
        icao24,
        callsign,
        NULLIF(origin_country, '') AS country,
        flight_phase,
        event_timestamp,
        altitude_meters,
        LAG(altitude_meters) OVER (PARTITION BY icao24 ORDER BY event_timestamp) AS previous_altitude_meters,
        event_seconds - LAG(event_seconds) OVER (PARTITION BY icao24 ORDER BY event_timestamp) AS elapsed_seconds,
        AVG(altitude_meters) OVER (
            PARTITION BY icao24 ORDER BY event_timestamp ROWS BETWEEN 5 PRECEDING AND CURRENT ROW
        ) AS moving_mean_altitude_meters
    FROM flights
),
changes AS (
    SELECT *, (altitude_meters - previous_altitude_meters) / elapsed_seconds AS vertical_speed_ms
    FROM histories
    WHERE elapsed_seconds <= 900 AND altitude_meters IS NOT NULL AND previous_altitude_meters IS NOT NULL
),
ranked AS (
    SELECT
        *,
        RANK() OVER (PARTITION BY icao24 ORDER BY abs(vertical_speed_ms) DESC, event_timestamp) AS rank_of_aircraft
    FROM changes
)
SELECT
    icao24,
    callsign,
    country,
    CAST(rank_of_aircraft AS BIGINT) AS rank_of_aircraft,
    event_timestamp,
    flight_phase,
    altitude_meters,
    previous_altitude_meters,
    elapsed_seconds,
    vertical_speed_ms,
    moving_mean_altitude_meters
FROM ranked
WHERE rank_of_aircraft <= 3
ORDER BY abs(vertical_speed_ms) DESC, icao24, event_timestamp
